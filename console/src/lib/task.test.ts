import { expect, it } from 'vitest';
import { Problem } from './api.ts';
import { Task } from './task.svelte.ts';

it('is busy while it works, and is not done twice at once', async () => {
  const task = new Task();
  let release = () => {};
  let times = 0;
  const work = () => {
    times++;
    return new Promise<void>((resolve) => (release = resolve));
  };
  const first = task.run(work);
  expect(task.busy).toBe(true);
  expect(await task.run(work)).toBe(false);
  release();
  expect(await first).toBe(true);
  expect([task.busy, times, task.problem]).toEqual([false, 1, undefined]);
});

it('keeps why it was refused until it is tried again', async () => {
  const task = new Task();
  const refused = new Problem(409, 'Conflict', { detail: 'changed meanwhile' });
  expect(await task.run(() => Promise.reject(refused))).toBe(false);
  expect(task.problem).toBe(refused);
  expect(task.busy).toBe(false);
  expect(await task.run(() => Promise.resolve())).toBe(true);
  expect(task.problem).toBeUndefined();
});

it('says nothing of what was given up, and something of every other failure', async () => {
  const task = new Task();
  await task.run(() => Promise.reject(new DOMException('left', 'AbortError')));
  expect(task.problem).toBeUndefined();
  await task.run(() => Promise.reject(new TypeError('odd')));
  expect(task.problem?.detail).toBe('TypeError: odd');
});
