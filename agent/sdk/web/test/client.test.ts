import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Device, Page, pass } from './page';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('calls', () => {
  test('become messages of the tracking API, in one request, once', async () => {
    const page = new Page();
    const client = page.client();
    client.page('Home', { section: 'shoes' });
    client.track('Order Completed', { revenue: 12.5 }, { timestamp: '2026-01-02T03:04:05.000Z', context: { device: { id: 'D1' } } });
    client.identify('ann', { plan: 'pro' });
    client.group('acme', { size: 3 });
    client.alias('ann@example.com');
    await pass(60_000);
    expect(page.sent).toHaveLength(1);
    expect(page.sent[0]).toMatchObject({ writeKey: 'key', sentAt: expect.stringMatching(/Z$/) });
    const [visited, ordered, identified, grouped, aliased] = page.messages;
    expect(visited).toMatchObject({ type: 'page', name: 'Home', properties: { section: 'shoes', url: 'https://shop.example/shoes?utm_source=news', title: 'Shoes' } });
    expect(ordered).toMatchObject({ type: 'track', event: 'Order Completed', properties: { revenue: 12.5 }, timestamp: '2026-01-02T03:04:05.000Z' });
    expect(ordered!.context).toMatchObject({ device: { id: 'D1' }, library: { name: 'unmogrowp-web' }, locale: 'de-AT', campaign: { source: 'news' } });
    expect(identified).toMatchObject({ type: 'identify', userId: 'ann', traits: { plan: 'pro' } });
    expect(grouped).toMatchObject({ type: 'group', groupId: 'acme', userId: 'ann' });
    expect(aliased).toMatchObject({ type: 'alias', userId: 'ann@example.com', previousId: 'ann' });
    expect(new Set(page.messages.map((m) => m.messageId)).size).toBe(5);
    for (const m of page.messages) {
      expect(m.messageId).toMatch(UUID);
      expect(m.anonymousId).toBe(visited!.anonymousId);
    }
    expect(ordered!.userId).toBeUndefined();
  });

  test('on a page without TLS have ids all the same', async () => {
    const page = new Page();
    vi.stubGlobal('crypto', { getRandomValues: (bytes: Uint8Array) => bytes.map((_, i) => 255 - i) });
    page.client().track('Seen');
    await pass(1000);
    expect(page.messages[0]!.messageId).toBe('fffefdfc-fbfa-49f8-b7f6-f5f4f3f2f1f0');
  });

  test('that cannot be sent are told and harm no others', async () => {
    const page = new Page();
    const client = page.client();
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(client.track('Cycle', cycle)).toBe(false);
    expect(client.track('Large', { text: 'ü'.repeat(20_000) })).toBe(false);
    expect(client.track('Good')).toBe(true);
    await pass(1000);
    expect(page.faults.map((fault) => fault.code)).toEqual(['unusable', 'too_large']);
    expect(page.messages.map((m) => m.event)).toEqual(['Good']);
  });

  test('need a key and a host', () => {
    const page = new Page();
    expect(() => page.client({ host: 'events.example' })).toThrow('host');
    expect(() => page.client({ writeKey: '' })).toThrow('writeKey');
  });
});

describe('the person', () => {
  test('is recognised by the next page, until reset', async () => {
    const device: Device = new Map();
    const first = new Page(device).client();
    first.identify('ann');
    const anonymous = first.anonymousId;
    await pass(1000);
    const page = new Page(device);
    const second = page.client();
    second.track('Back');
    second.reset();
    second.track('Out');
    await pass(1000);
    const [back, out] = page.messages;
    expect(back).toMatchObject({ userId: 'ann', anonymousId: anonymous });
    expect(out!.userId).toBeUndefined();
    expect(out!.anonymousId).not.toBe(anonymous);
  });

  test('is not mixed with another who logs in on the same device', () => {
    const client = new Page().client();
    const anonymous = client.anonymousId;
    client.identify('ann');
    expect(client.anonymousId).toBe(anonymous);
    client.identify('bob');
    expect(client.anonymousId).not.toBe(anonymous);
  });

  test('is kept in memory where there is no storage', async () => {
    const page = new Page();
    vi.stubGlobal('localStorage', undefined);
    const client = page.client();
    client.identify('ann');
    client.track('Seen');
    await pass(1000);
    expect(page.messages.map((m) => m.userId)).toEqual(['ann', 'ann']);
    expect(page.messages[0]!.anonymousId).toBe(page.messages[1]!.anonymousId);
  });
});

describe('consent', () => {
  const ADDRESS = 'https://shop.example/?utm_source=news&gclid=g-1&size=42';

  test('to all purposes is told, and the address keeps the click ids of networks, which the agent knows', async () => {
    const page = new Page(new Map(), [], ADDRESS + '&utm_campaign=spring');
    const client = page.client({ consent: { attribution: true, ads: true } });
    client.page();
    await pass(1000);
    const [visited] = page.messages;
    expect(visited!.context).toMatchObject({ campaign: { source: 'news', name: 'spring' }, consent: { attribution: true, ads: true }, page: { search: expect.stringContaining('gclid=g-1') } });
    expect(visited!.properties.click_id).toBeUndefined();
  });

  test.each(['umcid=c-1', 'click_id=c-1'])('a click of ours arrives with the page that it leads to: %s', async (parameter) => {
    const page = new Page(new Map(), [], 'https://shop.example/?' + parameter);
    const client = page.client();
    client.page();
    client.track('Seen');
    await pass(1000);
    expect(page.messages.map((message) => message.properties.click_id)).toEqual(['c-1', undefined]);
  });

  test('a click of ours arrives also where the page has cleaned its address before it tells', async () => {
    const page = new Page(new Map(), [], 'https://shop.example/?umcid=c-1');
    const client = page.client();
    vi.stubGlobal('location', new URL('https://shop.example/sale'));
    client.page();
    client.page();
    await pass(1000);
    expect(page.messages.map((message) => message.properties.click_id)).toEqual(['c-1', undefined]);
  });

  test('refused for attribution leaves no click', async () => {
    const page = new Page(new Map(), [], 'https://shop.example/?umcid=c-1');
    page.client({ consent: { attribution: false } }).page();
    await pass(1000);
    expect(JSON.stringify(page.messages)).not.toContain('c-1');
  });

  test('refused for ads leaves no click id of a network anywhere', async () => {
    const page = new Page(new Map(), [], ADDRESS);
    page.client({ consent: { ads: false } }).page();
    await pass(1000);
    expect(JSON.stringify(page.messages)).not.toContain('g-1');
    expect(page.messages[0]!.context).toMatchObject({ campaign: { source: 'news' }, page: { search: '?utm_source=news&size=42' } });
  });

  test('refused for attribution leaves no parameter anywhere', async () => {
    const page = new Page(new Map(), [], ADDRESS);
    page.client({ consent: { attribution: false } }).page();
    await pass(1000);
    expect(JSON.stringify(page.messages)).not.toMatch(/g-1|news|size|q=shoes/);
    expect(page.messages[0]!.context.page).toMatchObject({ url: 'https://shop.example/', search: '', referrer: 'https://search.example/' });
  });

  test('refused for analytics keeps nothing on the device', async () => {
    const device: Device = new Map();
    const page = new Page(device, [new Error('offline')]);
    const client = page.client({ consent: { analytics: false } });
    client.identify('ann');
    await pass(1100);
    expect(device.size).toBe(0);
    await pass(60_000);
    expect(page.sent).toHaveLength(2);
    expect(page.messages[1]).toMatchObject({ userId: 'ann', context: { consent: { analytics: false } } });
    client.consent({ analytics: true });
    client.track('Seen');
    await pass(1000);
    expect([...device.keys()].sort()).toEqual(['unmogrowp.key.anonymous', 'unmogrowp.key.user']);
  });

  test('withdrawn removes what was kept and forgets the person', async () => {
    const device: Device = new Map([['another', 'stays']]);
    const page = new Page(device, [new Error('offline')]);
    const client = page.client();
    client.identify('ann');
    const before = client.anonymousId;
    await pass(1100);
    client.consent({ analytics: false });
    expect([...device.keys()]).toEqual(['another']);
    expect(client.anonymousId).not.toBe(before);
    await pass(60_000);
    expect(page.messages.at(-1)).toMatchObject({ userId: 'ann', anonymousId: before }); // said before
  });

  test('refused from the start removes what an earlier visit left', () => {
    const device: Device = new Map();
    new Page(device).client().identify('ann');
    expect(device.size).toBeGreaterThan(0);
    new Page(device).client({ consent: { analytics: false } });
    expect(device.size).toBe(0);
  });

  test('withdrawn forgets the person where there is no storage too', () => {
    const page = new Page();
    vi.stubGlobal('localStorage', undefined);
    const client = page.client();
    const before = client.anonymousId;
    client.consent({ analytics: false });
    expect(client.anonymousId).not.toBe(before);
  });

  test('refused for everything sends nothing', async () => {
    const page = new Page();
    const client = page.client({ consent: { attribution: false, analytics: false, ads: false } });
    expect(client.track('Seen')).toBe(false);
    await pass(60_000);
    expect(page.sent).toHaveLength(0);
  });
});
