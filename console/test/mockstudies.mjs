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
  const row = (path, part) => ({ path, conversions: Math.round(all * part), share: part, revenue_by_currency: part > 0.05 ? [{ currency: app.currency, amount: decimal(micros(total.revenue) / BigInt(Math.round(1 / part))) }] : [] });
  const lengths = [0.15, 0.34, 0.21, 0.12, 0.07, 0.05, 0.03, 0.02, 0.01].map((part, touches) => ({ touches, conversions: Math.round(all * part) }));
  return {
    conversions: all,
    paths: all ? [row([names[0]], 0.18), row([], 0.15), row([names[1], names[0]], 0.09), row([names[3], names[1], names[0], names[4]], 0.04), row(Array.from({ length: 9 }, (_, i) => names[i % 4]), 0.01)] : [],
    lengths: all ? lengths : [],
    lags: all ? [0.44, 0.14, 0.1, 0.07, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.01, 0.01].map((part, days) => ({ days, conversions: Math.round(all * part) })) : [],
  };
}

/** Answers for the path of an app, or null. */
export function study(attribution, rest, app, query) {
  if (rest === 'reports/compare') return compare(attribution, app, query);
  if (rest === 'reports/paths') return paths(attribution, app, query);
  return null;
}
