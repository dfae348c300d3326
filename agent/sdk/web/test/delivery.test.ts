import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MAX_WAITING } from '../src/queue';
import { type Device, ok, Page, pass, status } from './page';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const OFFLINE = () => new TypeError('Failed to fetch');
const names = (page: Page) => page.messages.map((m) => m.event);

test('batches hold at most 100 messages and 450 KB, in order', async () => {
  const page = new Page();
  const client = page.client();
  for (let i = 0; i < 250; i++) client.track('Seen', { i });
  for (let i = 0; i < 30; i++) client.track('Large', { text: 'x'.repeat(30_000) });
  expect(await client.flush()).toBe(true);
  expect(page.messages).toHaveLength(280);
  expect(page.messages.slice(0, 250).map((m) => m.properties.i)).toEqual([...Array(250).keys()]);
  for (const body of page.sent) {
    expect(body.batch.length).toBeLessThanOrEqual(100);
    expect(JSON.stringify(body.batch).length).toBeLessThanOrEqual(450_000);
  }
});

test('two errors and then 200 deliver once, after growing pauses', async () => {
  const page = new Page(new Map(), [status(500), status(500)]);
  page.client().track('Seen');
  await pass(60_000);
  expect(page.sent).toHaveLength(3);
  expect(new Set(page.messages.map((m) => m.messageId)).size).toBe(1);
  const [first, second, third] = page.sent.map((body) => body.at);
  expect(second! - first!).toBeGreaterThanOrEqual(250);
  expect(third! - second!).toBeGreaterThanOrEqual(500);
});

test.each([429, 503])('%d with Retry-After is obeyed, by flush too', async (code) => {
  const page = new Page(new Map(), [status(code, { 'Retry-After': '7' })]);
  const client = page.client();
  client.track('Seen');
  await pass(1000);
  client.track('Later');
  expect(await client.flush()).toBe(false);
  page.fire('online');
  page.fire('pagehide');
  await pass(6900);
  expect(page.sent).toHaveLength(1);
  await pass(10_000);
  expect(page.sent).toHaveLength(2);
  expect(page.sent[1]!.at - page.sent[0]!.at).toBeGreaterThanOrEqual(7000);
  expect(page.sent[1]!.batch.map((m) => m.event)).toEqual(['Seen', 'Later']);
});

test('a wait of hours is not believed', async () => {
  const page = new Page(new Map(), [status(429, { 'Retry-After': '86400' })]);
  page.client().track('Seen');
  await pass(340_000);
  expect(page.sent).toHaveLength(2);
});

test('offline messages wait, and go at once when the network is back', async () => {
  const page = new Page(new Map(), Array.from({ length: 8 }, OFFLINE));
  const client = page.client();
  client.track('One');
  await pass(40_000);
  client.track('Two');
  page.answers.length = 0;
  const before = page.sent.length;
  page.fire('online');
  await pass(0);
  expect(page.sent).toHaveLength(before + 1);
  expect(page.sent.at(-1)!.batch.map((m) => m.event)).toEqual(['One', 'Two']);
  await pass(600_000);
  expect(page.sent).toHaveLength(before + 1);
});

test('what answers 200 without being an agent has received nothing', async () => {
  const page = new Page(new Map(), [new Response('<h1>Welcome to the hotel</h1>')]);
  page.client().track('Seen');
  await pass(60_000);
  expect(page.sent).toHaveLength(2);
});

test('a refused batch is told and does not hold up the next', async () => {
  const page = new Page(new Map(), [status(400)]);
  const client = page.client();
  client.track('Bad');
  await pass(1000);
  client.track('Good');
  await pass(60_000);
  expect(names(page)).toEqual(['Bad', 'Good']);
  expect(page.faults).toMatchObject([{ code: 'refused', messages: [{ event: 'Bad' }] }]);
});

test('a message that the agent rejects is told', async () => {
  const page = new Page(new Map(), [ok([{ index: 1, code: 'too_deep', reason: 'flatten it' }])]);
  const client = page.client();
  client.track('One');
  client.track('Two');
  await pass(60_000);
  expect(page.sent).toHaveLength(1);
  expect(page.faults).toMatchObject([{ code: 'too_deep', reason: 'flatten it', messages: [{ event: 'Two' }] }]);
});

test('a batch that is too large is halved', async () => {
  const page = new Page(new Map(), [status(413), status(413), ok(), status(413)]);
  const client = page.client();
  for (const name of ['One', 'Two', 'Three', 'Four']) client.track(name);
  await pass(60_000);
  expect(page.sent.map((body) => body.batch.length)).toEqual([4, 2, 1, 3, 2, 1]);
  expect(page.faults).toEqual([]);
});

test('a full queue refuses new calls and keeps the old', async () => {
  const page = new Page(new Map(), [OFFLINE(), OFFLINE(), OFFLINE()]);
  const client = page.client();
  for (let i = 0; i < MAX_WAITING + 3; i++) client.track('Seen', { i });
  expect(page.faults.map((fault) => fault.code)).toEqual(['queue_full', 'queue_full', 'queue_full']);
  await pass(60_000);
  expect(new Set(page.messages.map((m) => m.properties.i)).size).toBe(MAX_WAITING);
});

test('what a closed page could not send is sent by the next', async () => {
  const device: Device = new Map();
  const first = new Page(device, [OFFLINE(), OFFLINE()]);
  const client = first.client();
  client.track('One');
  await pass(1000);
  client.track('Two');
  await pass(0);
  first.fire('pagehide');
  expect(first.sent.at(-1)).toMatchObject({ keepalive: true, batch: [{ event: 'One' }, { event: 'Two' }] });
  const second = new Page(device);
  second.client();
  await pass(0);
  expect(names(second)).toEqual(['One', 'Two']);
  expect(second.messages.map((m) => m.messageId)).toEqual(first.messages.slice(-2).map((m) => m.messageId));
  await pass(100_000);
  expect([...device.keys()].filter((key) => key.includes('queue'))).toEqual([]);
});

test('what a crashed page left is taken over when it is old, and that of a living tab is not', async () => {
  const device: Device = new Map();
  new Page(device, Array.from({ length: 100 }, OFFLINE)).client().track('One');
  await pass(5000);
  const second = new Page(device);
  second.client();
  await pass(0);
  expect(second.sent).toHaveLength(0);
  vi.clearAllTimers(); // the first tab crashes
  await pass(700_000);
  const third = new Page(device);
  third.client();
  await pass(1000);
  expect(names(third)).toEqual(['One']);
});

test('a page that is shown again does not send what another took over', async () => {
  const device: Device = new Map();
  const first = new Page(device, [OFFLINE(), OFFLINE()]);
  first.client().track('One');
  await pass(1000);
  first.fire('pagehide');
  await pass(0);
  vi.clearAllTimers(); // frozen
  const second = new Page(device);
  second.client();
  await pass(1000);
  expect(names(second)).toEqual(['One']);
  first.fire('pageshow', { persisted: true });
  await pass(60_000);
  expect(names(second)).toEqual(['One']); // its fetch is the page's by now
});

test('a page going away sends at most 60 KB, alive beyond its end', async () => {
  const page = new Page();
  const client = page.client();
  for (let i = 0; i < 4; i++) client.track('Large', { text: 'x'.repeat(25_000) });
  page.fire('pagehide');
  expect(page.sent).toHaveLength(1);
  expect(page.sent[0]).toMatchObject({ keepalive: true });
  expect(page.sent[0]!.batch).toHaveLength(2);
  await pass(1000); // it was only hidden
  expect(page.messages).toHaveLength(4);
  expect(new Set(page.messages.map((m) => m.messageId)).size).toBe(4);
});

test('a browser without keepalive uses a beacon', () => {
  const page = new Page();
  const beacons: string[] = [];
  vi.stubGlobal('Request', class {});
  vi.stubGlobal('navigator', { language: 'de', userAgent: 'T', sendBeacon: (_: string, body: string) => beacons.push(body) });
  page.client().track('Seen');
  page.fire('pagehide');
  expect(JSON.parse(beacons[0]!)).toMatchObject({ writeKey: 'key', batch: [{ event: 'Seen' }] });
});

test('a page going away does not send again what is on its way', async () => {
  const page = new Page(new Map(), [new Promise(() => {})]);
  const client = page.client();
  client.track('One');
  await pass(1000);
  client.track('Two');
  page.fire('pagehide');
  expect(page.sent.map((body) => body.batch.map((m) => m.event))).toEqual([['One'], ['Two']]);
});

test('after an answer pauses are short again', async () => {
  const page = new Page(new Map(), [...Array.from({ length: 7 }, OFFLINE), ok(), OFFLINE()]);
  const client = page.client();
  client.track('One');
  await pass(200_000);
  expect(page.sent).toHaveLength(8);
  client.track('Two');
  await pass(1600);
  expect(page.sent).toHaveLength(10);
});

test('pauses stay below a minute', async () => {
  const page = new Page(new Map(), Array.from({ length: 1000 }, OFFLINE));
  page.client().track('One');
  await pass(3_600_000);
  expect(page.sent.length).toBeGreaterThan(60);
  expect(page.sent.length).toBeLessThan(150);
});

test('a page that is shown again keeps what no device would hold', async () => {
  const page = new Page(new Map(), [OFFLINE()]);
  vi.stubGlobal('localStorage', {
    getItem: () => null,
    removeItem: () => undefined,
    setItem: () => {
      throw new DOMException('full', 'QuotaExceededError');
    },
  });
  page.client().track('One');
  await pass(1000);
  page.fire('pageshow', { persisted: true });
  await pass(60_000);
  expect(names(page)).toEqual(['One', 'One']);
});

test('what does not fit is left to another page', async () => {
  const device: Device = new Map();
  const left = Array.from({ length: 3 }, (_, i) => ({ messageId: `left-${i}`, event: 'Left' }));
  const page = new Page(device);
  const client = page.client();
  for (let i = 0; i < MAX_WAITING - 2; i++) client.track('Seen');
  device.set('unmogrowp.key.queue.gone', JSON.stringify({ at: 0, messages: left }));
  device.set('unmogrowp.key.queue.torn', '{"at":0,"mess');
  page.fire('pageshow', { persisted: true });
  await pass(60_000);
  expect(page.messages).toHaveLength(MAX_WAITING - 2);
  expect([...device.keys()].filter((key) => key.includes('queue'))).toEqual(['unmogrowp.key.queue.gone']);
  const next = new Page(device);
  next.client();
  await pass(1000);
  expect(names(next)).toEqual(['Left', 'Left', 'Left']);
});
