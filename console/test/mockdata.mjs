// Deterministic data for mock.mjs: a month of an app with a dozen media sources.
import { Grid } from './mockgrid.mjs';
import { study } from './mockstudies.mjs';

export const APP = { id: '0198c1a2-demo', name: 'Northwind Shop', currency: 'EUR', timezone: 'Europe/Berlin', created_at: '2026-01-05T09:00:00Z' };
const OTHER = { id: '0198c1a2-game', name: 'Pebble Puzzle', currency: 'USD', timezone: 'America/New_York', created_at: '2026-03-01T09:00:00Z' };
const EMPTY = { id: '0198c1a2-none', name: 'Not launched yet', currency: 'JPY', timezone: 'Asia/Tokyo', created_at: '2026-11-01T09:00:00Z' };
export const APPS = [APP, OTHER, EMPTY];

const SOURCES = [
  ['google_ads', 0.24],
  ['meta', 0.2],
  ['organic', 0.15],
  ['tiktok', 0.1],
  ['newsletter', 0.08],
  ['apple_search_ads', 0.06],
  ['influencer_lena', 0.05],
  ['unity_ads', 0.04],
  ['reddit', 0.03],
  ['affiliate_bargainhunter', 0.03],
  ['podcast', 0.015],
  ['billboard_qr', 0.005],
];
const MODELS = ['first_touch', 'last_touch', 'linear', 'time_decay', 'position_based'];
const LEAN = {
  google_ads: [-0.2, 0.25],
  meta: [0.35, -0.25],
  tiktok: [0.6, -0.4],
  newsletter: [-0.5, 0.55],
  influencer_lena: [0.8, -0.5],
  organic: [0, 0],
};

/** A number in [0, 1) that depends only on the text. */
function chance(text) {
  let hash = 2166136261;
  for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 2246822507);
  hash = Math.imul(hash ^ (hash >>> 13), 3266489909);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

function decimal(micros) {
  return `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`;
}

/** Shares out by largest remainder, as the engine does. */
function shareOut(total, weights) {
  const sum = weights.reduce((a, b) => a + b, 0);
  const shares = weights.map((weight) => (total * BigInt(Math.floor((weight / sum) * 1e9))) / 1_000_000_000n);
  let rest = total - shares.reduce((a, b) => a + b, 0n);
  for (let i = 0; rest > 0n; i = (i + 1) % shares.length, rest--) shares[i]++;
  return shares;
}

const BASES = { events: 9200, clicks: 1450, impressions: 21400, installs: 310, conversions: 190, revenue: 8420 };

function valueAt(app, metric, time, interval) {
  const date = new Date(time);
  const weekday = [1.15, 0.92, 0.9, 0.94, 1, 1.08, 1.22][date.getUTCDay()];
  const age = (Date.now() - time) / 86_400_000;
  const growth = 1.25 - Math.min(age, 90) * 0.006;
  const size = BASES[metric] * weekday * growth * (0.86 + 0.28 * chance(`${app.id}${metric}${date.toISOString().slice(0, 10)}`));
  if (interval === 'hour') return (size / 24) * (0.4 + 1.2 * Math.sin(((date.getUTCHours() - 4) / 24) * Math.PI) ** 2);
  return interval === 'week' ? size * 7 : size;
}

/** By how much a clock in the app's time zone was moved between two instants, in milliseconds. */
function clockChange(app, from, to) {
  const offset = (time) => {
    const parts = new Intl.DateTimeFormat('en', { timeZone: app.timezone, timeZoneName: 'longOffset' }).formatToParts(time);
    const [, sign, hours, minutes] = /GMT([+-])(\d+):(\d+)/.exec(parts.find((part) => part.type === 'timeZoneName').value) ?? [null, '+', 0, 0];
    return Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  };
  return offset(to) - offset(from);
}

function timeseries(app, query) {
  const [metric, interval] = [query.get('metric'), query.get('interval')];
  const step = { hour: 3_600_000, day: 86_400_000, week: 604_800_000 }[interval];
  const points = [];
  const from = Date.parse(query.get('from'));
  for (let n = 0, time = from; time < Date.parse(query.get('to')); time = from + ++n * step - clockChange(app, from, from + n * step)) {
    const left = Math.min(Math.max((Date.now() - time) / step, 0), 1);
    const value = app === EMPTY ? 0 : valueAt(app, metric, time, interval) * left;
    const micros = BigInt(Math.round(value * 100)) * 10_000n;
    points.push({ time: new Date(time).toISOString(), value: metric === 'revenue' ? decimal(micros) : String(Math.round(value)) });
  }
  return { metric, interval, currency: query.get('currency') ?? undefined, points };
}

function total(app, metric, query) {
  const asked = new URLSearchParams({ metric, interval: 'day', from: query.get('from'), to: query.get('to') });
  return timeseries(app, asked).points.reduce((sum, { value }) => sum + BigInt(value.replace('.', '')), 0n);
}

function overview(app, query) {
  const revenue = total(app, 'revenue', query);
  const counts = Object.fromEntries(['events', 'clicks', 'impressions', 'installs', 'conversions'].map((m) => [m, Number(total(app, m, query))]));
  return {
    ...counts,
    revenue:
      app === EMPTY
        ? []
        : [
            { currency: app.currency, amount: decimal(revenue) },
            { currency: 'GBP', amount: decimal(revenue / 7n) },
            { currency: 'JPY', amount: decimal((revenue / 3n / 1_000_000n) * 1_000_000n) },
          ],
    fresh_until: new Date(Date.now() - 42_000).toISOString(),
  };
}

export function attribution(app, query) {
  const model = query.get('model');
  const currency = query.get('currency') ?? app.currency;
  const tilt = { first_touch: 0, last_touch: 1 }[model];
  const weights = SOURCES.map(([name, weight]) => {
    const [first, last] = LEAN[name] ?? [0.1, -0.08];
    return (
      weight *
      (1 +
        (tilt === 0
          ? first
          : tilt === 1
            ? last
            : (first + last) * { linear: 0.5, time_decay: 0.62, position_based: 0.45, markov: 0.55, shapley: 0.48 }[model]))
    );
  });
  const conversions = total(app, 'conversions', query) * 1_000_000n;
  const revenue = app === EMPTY ? 0n : total(app, 'revenue', query) / (currency === 'EUR' ? 1n : 7n);
  const [credit, money] = [shareOut(conversions, weights), shareOut(revenue, weights)];
  const by = (amount) => [
    { currency: 'EUR', amount: decimal(amount) },
    { currency: 'GBP', amount: decimal(amount / 7n) },
  ];
  const rows = SOURCES.map(([media_source], i) => ({
    media_source,
    conversions: decimal(credit[i]),
    revenue: decimal(money[i]),
    share: conversions ? Number(credit[i]) / Number(conversions) : 0,
    revenue_by_currency: by(money[i]),
  }));
  return {
    model,
    group_by: ['media_source'],
    currency,
    rows: app === EMPTY ? [] : rows,
    total: { conversions: decimal(conversions), revenue: decimal(revenue), revenue_by_currency: by(revenue) },
  };
}

const EVENTS = ['Order Completed', 'Application Installed', 'Order Completed', 'Subscription Started', 'Application Installed'];
const RESULTS = ['non_organic', 'non_organic', 'organic', 're_attribution', 'reinstall', 'non_organic', 'unattributed'];

function conversionAt(index) {
  const event = EVENTS[index % EVENTS.length];
  const paid = event !== 'Application Installed';
  const result = RESULTS[index % RESULTS.length];
  const touches = result === 'organic' || result === 'unattributed' ? 0 : 1 + (index % 5);
  return {
    id: `0199-conv-${index}`,
    event,
    time: new Date(Date.now() - index * 3_731_000).toISOString(),
    revenue: paid ? decimal(BigInt(2000 + Math.round(chance(`r${index}`) * 18000)) * 10_000n) : null,
    currency: paid ? ['EUR', 'EUR', 'GBP', 'JPY'][index % 4] : null,
    result: paid ? (index % 3 ? null : 'non_organic') : result,
    media_source: touches ? SOURCES.filter(([n]) => n !== 'organic')[index % 11][0] : 'organic',
    campaign: touches ? ['brand_search_de', 'retarget_cart_7d', 'autumn_sale_2026_video_lookalike_de_at_ch', 'spring'][index % 4] : '',
    touches,
  };
}

function conversions(query) {
  const start = Number(query.get('cursor') ?? 0);
  const end = Math.min(start + Number(query.get('limit') ?? 50), 128);
  const data = Array.from({ length: end - start }, (_, i) => conversionAt(start + i));
  return { data, next_cursor: end < 128 ? String(end) : null };
}

const CREDITS = {
  0: () => [],
  1: () => [1],
  2: (m) => ({ first_touch: [1, 0], last_touch: [0, 1], time_decay: [0.35, 0.65] })[m] ?? [1, 1],
};

function weightsFor(model, n) {
  if (CREDITS[n]) return CREDITS[n](model);
  const each = Array.from({ length: n }, (_, i) => i);
  if (model === 'first_touch') return each.map((i) => Number(i === 0));
  if (model === 'last_touch') return each.map((i) => Number(i === n - 1));
  if (model === 'time_decay') return each.map((i) => 2 ** (i - n));
  if (model === 'position_based') return each.map((i) => (i === 0 || i === n - 1 ? 0.4 : 0.2 / (n - 2)));
  return each.map(() => 1);
}

function journey(id) {
  const index = Number(/^0199-conv-(\d+)$/.exec(id)?.[1] ?? -1);
  if (index < 0) return null;
  const row = conversionAt(index);
  const at = Date.parse(row.time);
  const paid = BigInt((row.revenue ?? '0').replace('.', ''));
  const names = SOURCES.filter(([name]) => name !== 'organic');
  const touches = Array.from({ length: row.touches }, (_, i) => ({
    touch_id: `touch-${index}-${i}`,
    kind: i % 3 === 2 ? 'visit' : 'click',
    time: new Date(at - (row.touches - i) * 1.3 * 86_400_000 + i * 5_400_000 - 720_000).toISOString(),
    media_source: i === row.touches - 1 ? row.media_source : names[(index + i * 3) % names.length][0],
    campaign: ['brand_search_de', '', 'autumn_sale_2026_video'][i % 3],
    credit: {},
    revenue: {},
  }));
  for (const model of MODELS) {
    const weights = weightsFor(model, touches.length);
    const [credit, money] = touches.length ? [shareOut(1_000_000n, weights), shareOut(paid, weights)] : [[], []];
    touches.forEach((touch, i) => {
      touch.credit[model] = Number(credit[i]);
      touch.revenue[model] = decimal(money[i]);
    });
  }
  const verdicts = ['older_touch', 'lower_tier', 'window_expired', 'after_conversion', 'foreign_referrer', 'some_new_verdict'];
  const candidates = touches.map((touch, i) => ({
    touch_id: touch.touch_id,
    kind: touch.kind,
    time: touch.time,
    media_source: touch.media_source,
    campaign: touch.campaign,
    match: ['device_id', 'user_id', 'click_id'][i % 3],
    verdict: i === touches.length - 1 ? 'won' : verdicts[i % verdicts.length],
  }));
  return {
    id,
    event: row.event,
    time: row.time,
    revenue: row.revenue,
    currency: row.currency,
    settings_generation: 3,
    inputs: touches.length * 2 + 1,
    input_digest: 'b1946ac92492d2347c6235b4d2611184c0ffee5e0b9a7f21d3c4e5f60718293a',
    candidates,
    touches,
    install: {
      result: row.result ?? 'non_organic',
      reason: '',
      touch_id: touches.at(-1)?.touch_id,
      media_source: touches.at(-1)?.media_source,
      campaign: touches.at(-1)?.campaign,
      match: touches.length ? 'click_id' : undefined,
    },
  };
}

const CLUSTER = {
  members: [
    { id: 'aggregator-1', address: '10.0.0.4:7443', region: 'eu-central', zone: 'a', state: 'alive', lag_ms: 41, self: true },
    { id: 'aggregator-2', address: '10.0.0.5:7443', region: 'eu-central', zone: 'b', state: 'suspect', lag_ms: 18_400, self: false },
  ],
  mismatched_attributions: 0,
};

const agentAt = (i) => ({
  id: `agent-${i}`,
  name: `edge-${['fra', 'iad', 'sin'][i]}-1`,
  region: ['eu-central', 'us-east', 'ap-southeast'][i],
  zone: 'a',
  state: ['connected', 'connected', 'offline'][i],
  version: '0.1.0',
  queued_events: [0, 214, 48_230][i],
  oldest_event: i ? new Date(Date.now() - i * 4_000_000).toISOString() : null,
  disk_used: 3e8 * (i + 1) ** 2,
  disk_quota: 1e10,
  certificate_expires: new Date(Date.now() + 2e8).toISOString(),
  last_seen: new Date(Date.now() - 1500 * (i + 1) ** 4).toISOString(),
});

const grid = new Grid(attribution);

/** The body for a path below /api/v1/, or null where there is none. */
export function answer(path, query) {
  if (path === 'cluster') return CLUSTER;
  if (path === 'agents') return { data: [0, 1, 2].map(agentAt) };
  const [, id, rest] = /^apps\/([^/]+)\/(.+)$/.exec(path) ?? [];
  const app = APPS.find((one) => one.id === id);
  if (!app) return null;
  const one = /^conversions\/([^/]+)$/.exec(rest);
  if (one) return journey(decodeURIComponent(one[1]));
  if (rest === 'conversions') return app === EMPTY ? { data: [], next_cursor: null } : conversions(query);
  return (
    study(attribution, rest, app, query) ??
    grid.answer(rest, app, query) ??
    { 'reports/overview': overview, 'reports/timeseries': timeseries, 'reports/attribution': attribution }[rest]?.(app, query) ??
    null
  );
}
