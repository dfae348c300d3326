import { expect, it } from 'vitest';
import { compare, differenceFrom } from './compare.ts';
import { decimal } from './decimal.ts';
import { MODELS, type Model } from './models.ts';
import type { AttributionReport } from './shapes.ts';

function report(model: Model, rows: [string, string, string][], total: [string, string]): AttributionReport {
  return {
    model,
    rows: rows.map(([media_source, conversions, revenue]) => ({ media_source, conversions, revenue, revenue_by_currency: [], share: 0 })),
    currency: 'EUR',
    group_by: ['media_source'],
    total: { conversions: total[0], revenue: total[1], revenue_by_currency: [] },
  };
}

const thirds: [string, string, string][] = [
  ['meta', '1.333333', '117.333333'],
  ['organic', '1.333333', '117.333333'],
  ['google', '0.333334', '117.333334'],
];
const even = Object.fromEntries(MODELS.map((model) => [model, report(model, thirds, ['3.000000', '352.000000'])])) as Record<
  Model,
  AttributionReport
>;

it('totals are the sums of the rows, exactly', () => {
  const { total, disagreeing } = compare(even, 'linear');
  for (const model of MODELS) {
    expect(decimal(total[model].conversions)).toBe('3.000000');
    expect(decimal(total[model].revenue)).toBe('352.000000');
  }
  expect(disagreeing).toEqual([]);
});

it('notices a total of the server that is off by a millionth', () => {
  const off = { ...even, linear: report('linear', thirds, ['3.000000', '352.000001']) };
  expect(compare(off, 'last_touch').disagreeing).toEqual(['linear']);
});

it('gives nothing to a source that a model does not name, and orders by the base', () => {
  const first = report('first_touch', [['podcast', '3', '352']], ['3', '352']);
  const { rows } = compare({ ...even, first_touch: first }, 'last_touch');
  expect(rows.map((row) => row.mediaSource)).toEqual(['google', 'meta', 'organic', 'podcast']);
  const podcast = rows[3];
  expect(podcast?.credit.first_touch.conversions).toBe(3_000_000n);
  expect(podcast?.credit.linear.conversions).toBe(0n);
});

it('takes reports without rows', () => {
  const empty = Object.fromEntries(MODELS.map((model) => [model, report(model, [], ['0', '0'])])) as Record<Model, AttributionReport>;
  expect(compare(empty, 'linear')).toMatchObject({ rows: [], disagreeing: [] });
});

it('measures differences from the base', () => {
  expect(differenceFrom(100n, 150n)).toBe(500_000n);
  expect(differenceFrom(100n, 0n)).toBe(-1_000_000n);
  expect(differenceFrom(0n, 5n)).toBeNull();
  expect(differenceFrom(0n, 0n)).toBe(0n);
});
