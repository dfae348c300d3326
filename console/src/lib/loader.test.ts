import { expect, it } from 'vitest';
import { Loader } from './loader.svelte.ts';
import { Pager } from './pager.svelte.ts';
import type { Page } from './shapes.ts';

/** A question whose answer comes when the test says so. */
function later<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

it('keeps the old answer until the new one is there', async () => {
  const loader = new Loader<string>();
  expect(loader.loading).toBe(true);
  loader.load(() => Promise.resolve('first'));
  await settled();
  const second = later<string>();
  loader.load(() => second.promise);
  expect([loader.value, loader.loading]).toEqual(['first', true]);
  second.resolve('second');
  await settled();
  expect([loader.value, loader.loading]).toEqual(['second', false]);
});

it('ignores the answer of a question that was left, however late it comes', async () => {
  const loader = new Loader<string>();
  const slow = later<string>();
  const leave = loader.load(() => slow.promise);
  leave();
  loader.load(() => Promise.resolve('current'));
  await settled();
  slow.resolve('stale');
  await settled();
  expect([loader.value, loader.loading]).toEqual(['current', false]);
});

it('tells the question when it is left', () => {
  const loader = new Loader<string>();
  let seen: AbortSignal | undefined;
  const leave = loader.load((signal) => {
    seen = signal;
    return later<string>().promise;
  });
  leave();
  expect(seen?.aborted).toBe(true);
});

it('shows an error instead of the old answer, and recovers', async () => {
  const loader = new Loader<string>();
  loader.load(() => Promise.resolve('first'));
  await settled();
  loader.load(() => Promise.reject(new Error('no')));
  await settled();
  expect([loader.value, String(loader.error), loader.loading]).toEqual([undefined, 'Error: no', false]);
  loader.load(() => Promise.resolve('again'));
  await settled();
  expect([loader.value, loader.error]).toEqual(['again', undefined]);
});

const pages = (cursor: string | null): Page<number> => ({
  data: cursor === null ? [1, 2] : [Number(cursor)],
  next_cursor: cursor === '4' ? null : String(Number(cursor ?? 2) + 1),
});

it('adds page after page until there are no more', async () => {
  const pager = new Pager<number>();
  pager.start((cursor) => Promise.resolve(pages(cursor)));
  await settled();
  expect([pager.rows, pager.cursor]).toEqual([[1, 2], '3']);
  await pager.next();
  await pager.next();
  expect([pager.rows, pager.cursor]).toEqual([[1, 2, 3, 4], null]);
  await pager.next(); // nothing to ask for
  expect(pager.rows).toEqual([1, 2, 3, 4]);
});

it('drops the further pages when the question changes, also one that is still under way', async () => {
  const pager = new Pager<number>();
  const slow = later<Page<number>>();
  const leave = pager.start((cursor) => (cursor === null ? Promise.resolve(pages(null)) : slow.promise));
  await settled();
  const more = pager.next();
  leave();
  pager.start(() => Promise.resolve({ data: [9], next_cursor: null }));
  await settled();
  slow.resolve({ data: [3], next_cursor: null });
  await more;
  expect([pager.rows, pager.cursor, pager.more]).toEqual([[9], null, 'idle']);
});

it('keeps what it has when a further page fails, and can try again', async () => {
  const pager = new Pager<number>();
  let fails = true;
  pager.start((cursor) => (cursor !== null && fails ? Promise.reject(new Error('no')) : Promise.resolve(pages(cursor))));
  await settled();
  await pager.next();
  expect([pager.rows, pager.more]).toEqual([[1, 2], 'failed']);
  fails = false;
  await pager.next();
  expect([pager.rows, pager.more]).toEqual([[1, 2, 3], 'idle']);
});
