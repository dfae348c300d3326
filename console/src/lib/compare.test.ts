import { expect, it } from 'vitest';
import { compare, creditIn, mostMoved } from './compare.ts';

const figures = (events: string, revenue: string) => ({ events, revenue });
const answer = {
  group_by: ['media_source'],
  next_cursor: null,
  rows: [
    { media_source: 'small', metrics: {}, models: { first_touch: figures('1.000000', '10.000000'), last_touch: figures('3.000000', '40.000000') } },
    { media_source: 'large', metrics: {}, models: { first_touch: figures('4.000000', '90.000000'), last_touch: figures('2.000000', '60.000000') } },
  ],
  total: { metrics: {}, models: { first_touch: figures('5.000000', '100.000000'), last_touch: figures('5.000000', '100.000000') } },
};

it('puts the greatest credit under the base first', () => {
  expect(compare(answer, 'last_touch').rows.map(({ names }) => names[0])).toEqual(['large', 'small']);
  expect(compare(answer, 'first_touch').models).toEqual(['first_touch', 'last_touch']);
});

it('adds the rows up exactly, and says where the server says otherwise', () => {
  const { total, disagreeing } = compare(answer, 'last_touch');
  expect(total.get('first_touch')).toEqual({ events: 5_000_000n, revenue: 100_000_000n });
  expect(disagreeing).toEqual([]);
  const wrong = { ...answer, total: { metrics: {}, models: { ...answer.total.models, last_touch: figures('5.000000', '100.000001') } } };
  expect(compare(wrong, 'last_touch').disagreeing).toEqual(['last_touch']);
  expect(compare({ ...wrong, next_cursor: 'more' }, 'last_touch').disagreeing).toEqual([]);
});

it('shades by what is moved', () => {
  const comparison = compare(answer, 'last_touch');
  expect(mostMoved(comparison, 'last_touch', 'revenue')).toBe(30);
  expect(comparison.rows.map((row) => creditIn(row, 'markov', 'revenue'))).toEqual([0n, 0n]);
});

it('takes an answer without rows', () => {
  expect(compare({ group_by: ['media_source'], rows: [], total: { metrics: {} }, next_cursor: null }, 'linear')).toMatchObject({
    rows: [],
    models: [],
    disagreeing: [],
  });
});
