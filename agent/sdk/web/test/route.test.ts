import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Device, HOST, Page, pass, status } from './page';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const NEAR = 'https://near.example';
const FAR = 'https://far.example';
const AWAY = 'https://away.example';
const edges = { [HOST]: 80, [FAR]: 200, [NEAR]: 10, [AWAY]: Infinity };
const hosts = (page: Page) => page.sent.map((body) => body.host);

function open(device: Device = new Map(), answers: Response[] = []): Page {
  const page = new Page(device, answers);
  page.edges = edges;
  page.client({ nearest: true }).track('Seen');
  return page;
}

test('without the option nobody is asked', async () => {
  const page = new Page();
  page.edges = edges;
  page.client().track('Seen');
  await pass(60_000);
  expect(page.asked).toEqual([]);
  expect(hosts(page)).toEqual([HOST]);
});

test('messages go to the agent that answers first, when its connection is open', async () => {
  const page = open();
  await pass(60_000);
  expect(hosts(page)).toEqual([NEAR]);
  expect(page.asked.filter((host) => host === NEAR)).toHaveLength(2);
});

test('the next page does not ask again within the hour', async () => {
  const device: Device = new Map();
  open(device);
  await pass(60_000);
  const next = open(device);
  await pass(60_000);
  expect(next.asked).toEqual([]);
  expect(hosts(next)).toEqual([NEAR]);
  await pass(3_600_000);
  const later = open(device);
  await pass(60_000);
  expect(later.asked).not.toEqual([]);
});

test('after a failure the host is the one to turn to, and the next page asks again', async () => {
  const device: Device = new Map();
  const page = open(device, [status(503)]);
  await pass(60_000);
  expect(hosts(page)).toEqual([NEAR, HOST]);
  expect(new Set(page.messages.map((m) => m.messageId)).size).toBe(1);
  const next = open(device);
  await pass(60_000);
  expect(next.asked).not.toEqual([]);
});

test('a host that cannot say which agents there are is used itself', async () => {
  const page = new Page();
  page.edges = { [HOST]: Infinity, [NEAR]: 1 };
  page.client({ nearest: true }).track('Seen');
  await pass(60_000);
  expect(hosts(page)).toEqual([HOST]);
});

test('messages do not wait for the answers', async () => {
  const page = new Page();
  page.edges = { [HOST]: 50_000 };
  page.client({ nearest: true }).track('Seen');
  await pass(2000);
  expect(hosts(page)).toEqual([HOST]);
});
