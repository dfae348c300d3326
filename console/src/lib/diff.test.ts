import { expect, it } from 'vitest';
import { detailLines } from './diff.ts';

it('shows of a change only what differs', () => {
  expect(
    detailLines({
      before: { name: 'Shop', currency: 'EUR', origins: ['a'], limits: { day: 1, hour: 2 } },
      after: { name: 'Store', currency: 'EUR', origins: ['a', 'b'], limits: { day: 1, hour: 3 }, new: true },
    }),
  ).toEqual([
    { path: 'name', before: 'Shop', after: 'Store', changed: true },
    { path: 'origins', before: '["a"]', after: '["a","b"]', changed: true },
    { path: 'limits.hour', before: '2', after: '3', changed: true },
    { path: 'new', after: 'true', changed: true },
  ]);
});

it('shows what is gone', () => {
  expect(detailLines({ before: { note: 'x' }, after: null })).toEqual([{ path: 'note', before: 'x', changed: true }]);
});

it('shows of everything else what it holds', () => {
  expect(detailLines({ reason: 'permission', path: '/api' })).toEqual([
    { path: 'reason', after: 'permission', changed: false },
    { path: 'path', after: '/api', changed: false },
  ]);
  for (const nothing of [{}, null, undefined, [], 'text']) expect(detailLines(nothing)).toEqual([]);
});

it('bounds what it shows', () => {
  const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`f${n}`, n]));
  expect(detailLines(wide)).toHaveLength(200);
  let deep: unknown = 1;
  for (let n = 0; n < 50; n++) deep = { d: deep };
  const [line] = detailLines(deep);
  expect(line?.path).toBe('d.d.d.d.d.d');
});
