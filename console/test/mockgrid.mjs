// The grid of mock.mjs and what hangs on it: figures by source, campaign and day under all models,
// why a cell says what it says, and sentences. Sums are exact, as they are on the real server.

const MODELS = ['first_touch', 'last_touch', 'linear', 'time_decay', 'position_based'];
const CHILDREN = {
  campaign: ['brand_search', 'autumn_sale', 'retarget_7d'],
  adset: ['broad', 'lookalike'],
  ad: ['video', 'image'],
  keyword: ['shop'],
};
const PARTS = [5n, 3n, 2n];
const DAY = 86_400_000;
const MONEY = ['cost', 'revenue', 'gross', 'refunds', 'untrusted', 'cpi', 'cpc', 'arpu'];

const micros = (text) => BigInt(text.replace('.', ''));
const decimal = (value) =>
  `${value < 0n ? '-' : ''}${(value < 0n ? -value : value) / 1_000_000n}.${String((value < 0n ? -value : value) % 1_000_000n).padStart(6, '0')}`;
const ratio = (part, whole) => (whole === 0n ? null : decimal((part * 1_000_000n) / whole));

const COSTS = ['brand_search', 'autumn_sale'].map((campaign, i) => ({
  date: '2026-11-19',
  media_source: 'meta',
  campaign,
  country: 'DE',
  currency: 'EUR',
  cost: `${60 + i}.000000`,
  impressions: 12_000,
  clicks: 310,
  as_of: '2026-11-20T03:00:00Z',
}));
const COVERAGE = {
  cost_without_traffic: [
    { media_source: 'facebook', campaign: 'spring', clicks: 0, impressions: 0, cost: [{ currency: 'EUR', amount: '120.000000' }] },
  ],
  traffic_without_cost: [{ media_source: 'reddit', campaign: '', clicks: 1540, impressions: 0, cost: [] }],
};

/** Shares a sum out by parts; the last takes what is left, so that nothing is lost. */
function share(total, parts) {
  const sum = parts.reduce((a, b) => a + b, 0n);
  const shares = parts.map((part) => (total * part) / sum);
  shares[shares.length - 1] += total - shares.reduce((a, b) => a + b, 0n);
  return shares;
}

const scale = (leaf, part, all) =>
  Object.fromEntries(Object.entries(leaf).map(([key, value]) => [key, typeof value === 'bigint' ? (value * part) / all : value]));

export class Grid {
  #attribution;
  constructor(attribution) {
    this.#attribution = attribution;
  }

  answer(path, app, query) {
    if (path === 'reports/performance') return this.#performance(app, query);
    if (path === 'reports/why') return this.#why(app, query);
    if (path === 'reports/insights') return this.#insights(app, query);
    if (path === 'costs') return { data: app.id.endsWith('none') ? [] : COSTS, next_cursor: null };
    if (path === 'costs/coverage') return COVERAGE;
    return null;
  }

  /** Per source: what each model gives, in millionths. */
  #sources(app, query) {
    const ask = (model) =>
      this.#attribution(
        app,
        new URLSearchParams({ from: query.get('from'), to: query.get('to'), currency: query.get('currency') ?? app.currency, model }),
      );
    const answers = Object.fromEntries(MODELS.map((model) => [model, ask(model)]));
    return (answers.linear.rows ?? []).map(({ media_source }, i) => ({
      media_source,
      installs: (micros(answers.last_touch.rows[i].conversions) * 16n) / 10_000_000n,
      ...Object.fromEntries(
        MODELS.flatMap((model) => [
          [`events_${model}`, micros(answers[model].rows[i].conversions)],
          [`revenue_${model}`, micros(answers[model].rows[i].revenue)],
        ]),
      ),
    }));
  }

  #leaves(app, query, chain) {
    let rows = this.#sources(app, query);
    for (const dimension of chain.filter((name) => CHILDREN[name])) {
      rows = rows.flatMap((row) => {
        const names = row.media_source === 'organic' ? [''] : CHILDREN[dimension];
        const keys = Object.keys(row).filter((key) => typeof row[key] === 'bigint');
        const shares = Object.fromEntries(keys.map((key) => [key, share(row[key], PARTS.slice(0, names.length))]));
        return names.map((name, i) => ({ ...row, [dimension]: name, ...Object.fromEntries(keys.map((key) => [key, shares[key][i]])) }));
      });
    }
    return rows;
  }

  #performance(app, query) {
    const by = (query.get('group_by') ?? 'media_source').split(',');
    const metrics = (query.get('metrics') ?? 'installs').split(',');
    const filters = query.getAll('filter').map((text) => [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)]);
    const chain = ['media_source', ...Object.keys(CHILDREN)].filter((name) => by.includes(name) || filters.some(([field]) => field === name));
    let rows = this.#leaves(app, query, chain).filter((row) =>
      filters.every(([field, value]) =>
        row[field] === undefined ? true : value.startsWith('!') ? row[field] !== value.slice(1) : row[field] === value,
      ),
    );
    if (by.includes('day') || by.includes('week')) rows = this.#days(rows, query, by.includes('week') ? 'week' : 'day');
    const model = query.get('model') ?? 'last_touch';
    const merged = new Map();
    for (const row of rows) {
      const key = by.map((name) => row[name] ?? '').join('\n');
      const known = merged.get(key);
      if (!known) merged.set(key, { ...row });
      else for (const [name, value] of Object.entries(row)) if (typeof value === 'bigint') known[name] += value;
    }
    const sort = query.get('sort') ?? `-${metrics[0]}`;
    const name = sort.replace('-', '');
    const list = [...merged.values()];
    const figure = (row) => (by.includes(name) ? row[name] : micros(this.#figures(row, [name], model)[name] ?? '0'));
    list.sort((a, b) => (figure(a) < figure(b) ? -1 : figure(a) > figure(b) ? 1 : 0) * (sort.startsWith('-') ? -1 : 1));
    const limit = Number(query.get('limit') ?? 50);
    const start = Number(query.get('cursor') ?? 0);
    const write = (row) => this.#write(row, { metrics, model, all: query.get('models') === 'all', compare: query.get('compare') });
    const all = list.reduce(
      (sum, row) =>
        Object.fromEntries(
          Object.entries(row)
            .filter(([, v]) => typeof v === 'bigint')
            .map(([k, v]) => [k, (sum[k] ?? 0n) + v]),
        ),
      {},
    );
    const named = (row) => Object.fromEntries(by.map((one) => [one, row[one] ?? '']));
    return {
      group_by: by,
      metrics,
      event: query.get('event') || 'Order Completed',
      model: query.get('model') ?? 'last_touch',
      currency: query.get('currency') ?? app.currency,
      from: query.get('from'),
      to: query.get('to'),
      rows: list.slice(start, start + limit).map((row) => ({ ...named(row), ...write(row) })),
      total: write(all),
      unconverted: [],
      notes: {},
      next_cursor: start + limit < list.length ? String(start + limit) : null,
    };
  }

  #days(rows, query, step) {
    const days = [];
    const length = step === 'week' ? 7 : 1;
    for (let time = Date.parse(query.get('from')) + DAY / 2; time < Math.min(Date.parse(query.get('to')), Date.now()); time += length * DAY)
      days.push(new Date(time).toISOString().slice(0, 10));
    const parts = days.map((_, i) => BigInt(10 + ((i * 7) % 5)));
    return rows.flatMap((row) => {
      const shares = Object.fromEntries(
        Object.entries(row).flatMap(([key, value]) => (typeof value === 'bigint' ? [[key, share(value, parts)]] : [])),
      );
      return days.map((day, i) => ({ ...row, ...Object.fromEntries(Object.entries(shares).map(([key, list]) => [key, list[i]])), [step]: day }));
    });
  }

  #figures(row, metrics, model) {
    const events = row[`events_${model}`] ?? 0n;
    const revenue = row[`revenue_${model}`] ?? 0n;
    const installs = (row.installs ?? 0n) * 1_000_000n;
    const clicks = installs * 5n;
    const cost = row.media_source === 'organic' ? null : ((row.revenue_linear ?? 0n) * 2n) / 5n;
    const known = {
      events,
      revenue,
      gross: revenue,
      installs,
      clicks,
      impressions: clicks * 14n,
      cost,
      refunds: 0n,
      untrusted: 0n,
      reinstalls: 0n,
      re_engagements: 0n,
    };
    const ratios = {
      cpi: [cost, installs],
      cpc: [cost, clicks],
      roas: [revenue, cost],
      ctr: [clicks, clicks * 14n],
      cvr: [installs, clicks],
      arpu: [revenue, installs],
      fraud_share: [installs / 50n, installs],
    };
    return Object.fromEntries(
      metrics.map((metric) => {
        if (ratios[metric]) return [metric, ratios[metric].some((one) => one === null) ? null : ratio(...ratios[metric])];
        const value = known[metric];
        if (value === null || value === undefined) return [metric, null];
        return [metric, MONEY.includes(metric) || metric === 'events' ? decimal(value) : String(value / 1_000_000n)];
      }),
    );
  }

  #write(row, { metrics, model, all, compare }) {
    const models = Object.fromEntries(
      MODELS.map((one) => [one, { events: decimal(row[`events_${one}`] ?? 0n), revenue: decimal(row[`revenue_${one}`] ?? 0n) }]),
    );
    const range = Object.fromEntries(
      ['events', 'revenue'].map((name) => {
        const values = MODELS.map((one) => row[`${name}_${one}`] ?? 0n);
        const [min, max] = [values.reduce((a, b) => (a < b ? a : b)), values.reduce((a, b) => (a > b ? a : b))];
        const spread = max === 0n ? 0n : ((max - min) * 1_000_000n) / max;
        return [name, { min: decimal(min), max: decimal(max), spread: decimal(spread), verdict: spread < 200_000n ? 'firm' : 'disputed' }];
      }),
    );
    return {
      metrics: this.#figures(row, metrics, model),
      ...(compare ? { previous: this.#figures(scale(row, 9n, 10n), metrics, model) } : {}),
      ...(all ? { models, range } : {}),
    };
  }

  #why(app, query) {
    const filter = query.getAll('filter');
    const asked = new URLSearchParams(query);
    for (const [name, value] of Object.entries({ group_by: 'media_source', metrics: 'events', models: 'all' })) asked.set(name, value);
    const cell = this.#performance(app, asked);
    const models = cell.total.models;
    const touch = (media_source, mine, credit) => ({
      kind: 'click',
      time: new Date(Date.now() - 3 * DAY).toISOString(),
      media_source,
      campaign: 'autumn_sale',
      mine,
      credit: Object.fromEntries(MODELS.map((one) => [one, credit])),
      revenue: {},
    });
    return {
      filter,
      event: cell.event,
      model: query.get('model') ?? 'last_touch',
      currency: cell.currency,
      role: {
        opens: '80',
        assists: '40',
        closes: '67',
        alone: '22',
        conversions: '165',
        opens_share: '0.340000',
        assists_share: '0.410000',
        closes_share: '0.250000',
      },
      models: MODELS.map((model) => ({
        model,
        ...models[model],
        rule: { time_decay: { half_life_ms: 7 * DAY }, position_based: { first: 400_000, middle: 200_000, last: 400_000 } }[model] ?? {},
      })),
      range: cell.total.range.revenue,
      paths: [
        { path: ['tiktok', 'google_ads'], conversions: '12', events: '6.000000', revenue: '340.000000' },
        { path: ['tiktok'], conversions: '9', events: '9.000000', revenue: '510.000000' },
      ],
      journeys: [0, 3, 8].map((i) => ({
        id: `0199-conv-${i}`,
        event: cell.event,
        time: new Date(Date.now() - i * 3_731_000).toISOString(),
        revenue: '99.900000',
        currency: cell.currency,
        install: { result: 'non_organic', media_source: 'tiktok', campaign: 'autumn_sale' },
        touches: [touch('tiktok', true, 500_000), touch('google_ads', false, 500_000)],
      })),
      unconverted: [],
      settings_generation: 3,
    };
  }

  #insights(app, query) {
    const { currency, rows } = this.#performance(app, new URLSearchParams([...query, ['group_by', 'media_source'], ['metrics', 'revenue']]));
    const sentences =
      rows.length === 0
        ? []
        : [
            {
              kind: 'opens_not_closes',
              text: 'tiktok opens 191 and closes 67: last touch gives it 2.9k, linear 5.7k.',
              filter: ['media_source:tiktok'],
              figures: { opens: '191', closes: '67' },
            },
            {
              kind: 'disputed',
              text: 'newsletter lives on the last click: −74 % under first touch.',
              filter: ['media_source:newsletter'],
              figures: {},
            },
          ];
    return { event: 'Order Completed', currency, sentences };
  }
}
