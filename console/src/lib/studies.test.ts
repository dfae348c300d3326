import { expect, it } from 'vitest';
import { bars } from './studies.ts';

const name = (from: number, to: number) => (from === to ? `${from}` : `${from}-${to}`);

it('puts every count into exactly one bar', () => {
  const list = Array.from({ length: 41 }, (_, at) => ({ at, count: at + 1 }));
  const made = bars(list, 4, name);
  expect(made.map((bar) => bar.name)).toEqual(['0', '1', '2', '3', '4', '5-9', '10-19', '20-39', '40']);
  expect(made.reduce((sum, { count }) => sum + count, 0)).toBe((41 * 42) / 2);
  expect(made.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
});

it('begins where there is something and keeps gaps', () => {
  expect(
    bars(
      [
        { at: 2, count: 1 },
        { at: 4, count: 3 },
      ],
      5,
      name,
    ),
  ).toEqual([
    { name: '2', count: 1, share: 0.25 },
    { name: '3', count: 0, share: 0 },
    { name: '4', count: 3, share: 0.75 },
  ]);
  expect(bars([], 5, name)).toEqual([]);
});
