// Answers for the views behind the model comparison; attribution answers reports/attribution.

const micros = (text) => BigInt(text.replace('.', ''));

function decimal(value) {
  const size = value < 0n ? -value : value;
  return `${value < 0n ? '-' : ''}${size / 1_000_000n}.${String(size % 1_000_000n).padStart(6, '0')}`;
}

function under(attribution, app, query, model) {
  const asked = new URLSearchParams(query);
  asked.set('model', model);
  const report = attribution(app, asked);
  const order = report.rows.toSorted((a, b) => Number(micros(b.conversions) - micros(a.conversions)));
  order.forEach((row, index) => (row.rank = index + 1));
  return report;
}

function compare(attribution, app, query) {
  const [a, b] = [under(attribution, app, query, query.get('a')), under(attribution, app, query, query.get('b'))];
  const rows = a.rows.map((left) => {
    const right = b.rows.find((row) => row.media_source === left.media_source);
    const side = ({ conversions, revenue, share, rank }) => ({ conversions, revenue, share, rank });
    const difference = {
      conversions: decimal(micros(right.conversions) - micros(left.conversions)),
      revenue: decimal(micros(right.revenue) - micros(left.revenue)),
      rank: left.rank - right.rank,
    };
    return { media_source: left.media_source, a: side(left), b: side(right), difference };
  });
  const size = (row) => Math.abs(Number(row.difference.conversions));
  rows.sort((x, y) => size(y) - size(x));
  return { a: a.model, b: b.model, group_by: ['media_source'], currency: a.currency, rows, total: { a: a.total, b: b.total } };
}

function paths(attribution, app, query) {
  const { rows, total } = under(attribution, app, query, 'linear');
  const all = Number(micros(total.conversions) / 1_000_000n);
  const names = rows.map((row) => row.media_source);
  const row = (path, part) => ({
    path,
    conversions: Math.round(all * part),
    share: part,
    revenue: part > 0.05 ? decimal(micros(total.revenue) / BigInt(Math.round(1 / part))) : '0.000000',
    revenue_by_currency: part > 0.05 ? [{ currency: app.currency, amount: decimal(micros(total.revenue) / BigInt(Math.round(1 / part))) }] : [],
    ...(part === 0.04
      ? { revenue_by_currency: [{ currency: 'JPY', amount: '9000.000000' }], unconverted: [{ currency: 'JPY', amount: '9000.000000' }] }
      : {}),
  });
  const lengths = [0.15, 0.34, 0.21, 0.12, 0.07, 0.05, 0.03, 0.02, 0.01].map((part, touches) => ({ touches, conversions: Math.round(all * part) }));
  return {
    conversions: all,
    currency: app.currency,
    paths: all
      ? [
          row([names[0]], 0.18),
          row([], 0.15),
          row([names[1], names[0]], 0.09),
          row([names[3], names[1], names[0], names[4]], 0.04),
          row(
            Array.from({ length: 9 }, (_, i) => names[i % 4]),
            0.01,
          ),
        ]
      : [],
    lengths: all ? lengths : [],
    lags: all
      ? [0.44, 0.14, 0.1, 0.07, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.01, 0.01].map((part, days) => ({ days, conversions: Math.round(all * part) }))
      : [],
  };
}

/** Answers for the path of an app, or null. */
export function study(attribution, rest, app, query) {
  if (rest === 'reports/compare') return compare(attribution, app, query);
  if (rest === 'reports/paths') return paths(attribution, app, query);
  if (rest === 'reports/late') return LATE;
  if (rest === 'late-touches') return lateData(query);
  if (rest === 'conflicts')
    return {
      data: [
        {
          id: 'order-4711',
          variants: ['0c5bd1a2f94e0001', '77aa01c2f94e0002'].map((digest, i) => ({
            digest,
            received: new Date(Date.now() - (9 - i) * DAY).toISOString(),
          })),
        },
      ],
      next_cursor: null,
    };
  if (/^conversions\/[^/]+\/around$/.test(rest)) return AROUND;
  return null;
}

const DAY = 86_400_000;
const ago = (days) => new Date(Date.UTC(2026, 10, 20) - days * DAY).toISOString();
const AROUND = {
  keys: ['user:ann', 'device:8d1f-44'],
  links: [
    { a: 'anon:4f0c', b: 'user:ann', received: ago(3), late: false },
    { a: 'device:8d1f-44', b: 'gaid:0000-1111', received: ago(-9), late: true },
  ],
  other_touches: [
    ['late', 'tiktok'],
    ['window_expired', 'meta'],
    ['after_conversion', 'newsletter'],
    ['impression', 'google_ads'],
  ].map(([reason, media_source], i) => ({
    touch_id: `other-${i}`,
    kind: reason === 'impression' ? 'impression' : 'click',
    time: ago(i * 11),
    received: ago(i * 11 - 1),
    media_source,
    campaign: '',
    reason,
  })),
};

const LATE = {
  lateness_ms: 7 * DAY,
  event_id_conflicts: 1,
  rows: [
    { media_source: 'affiliate_bargainhunter', kind: 'click', touches: 2, conversions: 3, longest_delay_ms: 9 * DAY },
    { media_source: 'podcast', kind: 'click', touches: 1, conversions: 0, longest_delay_ms: 8 * DAY },
  ],
};

function lateData(query) {
  const touches = [2, 0, 1].map((refused, i) => ({
    touch_id: `late-${i}`,
    kind: 'click',
    media_source: ['affiliate_bargainhunter', 'podcast', 'affiliate_bargainhunter'][i],
    campaign: 'autumn',
    refused,
    time: new Date(Date.parse(query.get('from')) + i * DAY).toISOString(),
    received: new Date(Date.parse(query.get('from')) + (i + 9) * DAY).toISOString(),
  }));
  return { data: touches, more: false };
}

const STEP_MS = 700; // of a run
const SETTINGS = {
  inactivity_ms: 7 * DAY,
  reengagement_window_ms: 30 * DAY,
  probabilistic: false,
  probabilistic_click_window_ms: DAY,
  probabilistic_impression_window_ms: DAY / 4,
  fraud: {
    blocked_address: 'flag',
    bot: 'flag',
    malformed_advertising_id: 'flag',
    click_after_install_begin: 'flag',
    device_frequency: 'flag',
    address_frequency: 'flag',
    short_click_to_install: 'flag',
    min_click_to_install_ms: 10_000,
    max_clicks: 10,
    max_clicks_window_ms: 60_000,
  },
  generation: 3,
  count_orders_once: true,
  exclude_untrusted_revenue: false,
  trusted_referrers: [],
  click_window_ms: 7 * DAY,
  impression_window_ms: DAY,
  overrides: [],
  reattribution_window_ms: 90 * DAY,
  lateness_ms: 7 * DAY,
  lookback_ms: 30 * DAY,
  half_life_ms: 7 * DAY,
  position_first: 400_000,
  position_middle: 200_000,
  position_last: 400_000,
  transform: 'none',
  impressions_in_mta: false,
  conversion_events: ['Order Completed'],
};

/** Runs that get done while one watches, and exchange rates. */
export class Studies {
  #attribution;
  #runs = [];
  #made = 0;
  #rates = ['2026-11-20', '2026-11-19'].flatMap((day) =>
    [
      ['USD', '1.0842'],
      ['GBP', '0.8431'],
      ['JPY', '161.35'],
    ].map(([to, rate]) => ({ day, from: 'EUR', to, rate })),
  );

  constructor(attribution) {
    this.#attribution = attribution;
  }

  /** [body, status], [] for no body, or undefined for paths of others. */
  answer(method, path, body) {
    if (path === 'rates') return this.#rate(method, body);
    const [, id, kind, run, action] = /^apps\/([^/]+)\/(reports\/data-driven|backfills)(?:\/([^/]+))?(\/cancel)?$/.exec(path) ?? [];
    const app = { id, currency: 'EUR', timezone: 'Europe/Berlin' };
    if (path.endsWith('/attribution/preview')) return [this.#effect({ ...app, id: path.split('/')[1] }, 2140, 18200)];
    if (!kind) return undefined;
    const own = this.#runs.filter((one) => one.app === id && one.kind === kind);
    if (method === 'POST' && !run) return [this.#start(id, kind, body), 202];
    if (!run) return [{ data: own.map((one) => ({ ...this.#state(one), result: undefined })).toReversed(), next_cursor: null }];
    const found = own.find((one) => one.id === run);
    if (action) found.cancelled = true;
    if (method === 'DELETE') this.#runs = this.#runs.filter((one) => one !== found);
    if (action || method === 'DELETE') return [undefined];
    return [this.#state(found, app)];
  }

  #rate(method, body) {
    if (method === 'GET') return [{ data: this.#rates, next_cursor: null }];
    const given =
      body.rates ??
      body.file
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => Object.fromEntries(line.split(',').map((value, i) => [['day', 'from', 'to', 'rate'][i], value])));
    const key = (one) => one.day + one.from + one.to;
    this.#rates = [...given.filter((one) => Number(one.rate) > 0), ...this.#rates.filter((one) => !given.some((other) => key(other) === key(one)))];
    this.#rates.sort((a, b) => b.day.localeCompare(a.day) || a.to.localeCompare(b.to));
    return [{ stored: given.length }];
  }

  #start(app, kind, { from, to, name, settings, currency }) {
    const run = {
      id: `run-${++this.#made}`,
      app,
      kind,
      name,
      began: Date.now(),
      parameters: { from, to, ...(settings ? { settings: { ...SETTINGS, ...settings } } : { currency }) },
    };
    this.#runs.push(run);
    return this.#state(run);
  }

  #state({ id, kind, name, began, cancelled, parameters }, app) {
    const progress = Math.min((Date.now() - began) / (4 * STEP_MS), 1);
    const state = cancelled ? 'cancelled' : progress === 0 ? 'pending' : progress < 1 ? 'running' : 'done';
    const run = {
      id,
      kind,
      name,
      parameters,
      state,
      progress,
      created_by: 'owner@example.com',
      created_at: new Date(began).toISOString(),
      finished_at: null,
    };
    if (state === 'done' && app) run.result = kind === 'backfills' ? this.#effect(app, 940, 6761) : this.#learned(app, parameters);
    return run;
  }

  #learned(app, { from, to, currency }) {
    const query = new URLSearchParams({ from, to, currency });
    const [markov, shapley] = ['markov', 'shapley'].map((model) => under(this.#attribution, app, query, model));
    return { markov, shapley, conversions: Number(micros(markov.total.conversions) / 1_000_000n), lost: 48_211, paths: 312 };
  }

  #effect(app, changed, of) {
    const query = new URLSearchParams({ from: new Date(Date.now() - 30 * 86_400_000).toISOString(), to: new Date().toISOString(), currency: 'EUR' });
    const rows = ['first_touch', 'last_touch', 'linear', 'time_decay', 'position_based'].flatMap((model) => {
      const [now, then] = [
        under(this.#attribution, app, query, model),
        under(this.#attribution, app, query, model === 'linear' ? 'time_decay' : 'linear'),
      ];
      return now.rows.map((row) => {
        const other = then.rows.find(({ media_source }) => media_source === row.media_source);
        return {
          model,
          media_source: row.media_source,
          now: row.conversions,
          what_if: other.conversions,
          revenue: [{ currency: 'EUR', now: row.revenue, what_if: other.revenue }],
        };
      });
    });
    const installs = [
      { result: 'non_organic', media_source: 'meta', now: 311, what_if: 240 },
      { result: 'unattributed', media_source: '', now: 12, what_if: 83 },
      { result: 'organic', media_source: '', now: 140, what_if: 140 },
    ];
    return { conversions: Math.min(of, 10_000), of, changed, rows, installs };
  }
}
