import { expect, it } from 'vitest';
import type { Row } from './performance.ts';
import { largest, span, spread } from './range.ts';

const row = (...values: string[]): Row => ({
  media_source: 's',
  metrics: {},
  models: Object.fromEntries(
    ['first_touch', 'last_touch', 'linear']
      .slice(0, values.length)
      .map((model, i) => [model, { events: '0.000000', revenue: values[i] ?? '0.000000' }]),
  ),
});

it('calls firm what the models see within a fifth of the largest', () => {
  expect(span(row('80.000001', '100.000000'), 'revenue', 100)?.firm).toBe(true);
  expect(span(row('80.000000', '100.000000'), 'revenue', 100)?.firm).toBe(false);
  expect(span(row('0.000000', '0.000000'), 'revenue', 100)?.firm).toBe(true);
});

it('lays all models on one line', () => {
  const rows = [row('50.000000', '200.000000'), row('100.000000')];
  const most = largest(rows, 'revenue');
  expect(most).toBe(200);
  expect(span(rows[0] as Row, 'revenue', most)).toMatchObject({ min: 0.25, max: 1 });
  expect(spread(rows[0] as Row, 'revenue')).toBe(750_000n);
});

it('has no line where no model says anything', () => {
  expect(span({ metrics: {} }, 'revenue', 1)).toBeNull();
  expect(span({ metrics: {}, models: {} }, 'revenue', 1)).toBeNull();
});
