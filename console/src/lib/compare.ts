import { approximate, micros } from './decimal.ts';
import { ANY_MODELS, type AnyModel } from './models.ts';
import type { Performance } from './performance.ts';

/** What one row gets under one model. */
export interface Credit {
  events: bigint;
  revenue: bigint;
}

export type Measure = keyof Credit;

export interface ComparedRow {
  /** The values of the dimensions that the rows are by. */
  names: string[];
  credit: Map<AnyModel, Credit>;
}

export interface Comparison {
  /** The models that there are figures of: five, or seven where the data-driven ones were computed. */
  models: AnyModel[];
  rows: ComparedRow[];
  /** The sums of the rows, computed here. */
  total: Map<AnyModel, Credit>;
  /** Models whose total, as the server states it, is not the sum of its rows. It must stay empty. */
  disagreeing: AnyModel[];
}

const NOTHING: Credit = { events: 0n, revenue: 0n };
const creditOf = (figures: { events: string; revenue: string } | undefined): Credit =>
  figures ? { events: micros(figures.events), revenue: micros(figures.revenue) } : NOTHING;

export const creditIn = (row: ComparedRow, model: AnyModel, measure: Measure): bigint => (row.credit.get(model) ?? NOTHING)[measure];

/** Puts all models side by side, greatest credit under the base model first. */
export function compare(answer: Pick<Performance, 'group_by' | 'rows' | 'total' | 'next_cursor'>, base: AnyModel): Comparison {
  const models = ANY_MODELS.filter((model) => answer.total.models?.[model] || answer.rows.some((row) => row.models?.[model]));
  const rows = answer.rows.map((row): ComparedRow => ({
    names: answer.group_by.map((name) => String(row[name as 'media_source'] ?? '')),
    credit: new Map(models.map((model) => [model, creditOf(row.models?.[model])])),
  }));
  const sum = (model: AnyModel, measure: Measure) => rows.reduce((all, row) => all + creditIn(row, model, measure), 0n);
  const total = new Map(models.map((model) => [model, { events: sum(model, 'events'), revenue: sum(model, 'revenue') }]));
  // Only a whole list can be added up.
  const disagreeing = answer.next_cursor
    ? []
    : models.filter((model) => {
        const stated = answer.total.models?.[model];
        return stated && (micros(stated.events) !== total.get(model)?.events || micros(stated.revenue) !== total.get(model)?.revenue);
      });
  const descending = (a: bigint, b: bigint) => (a === b ? 0 : a > b ? -1 : 1);
  const key = models.includes(base) ? base : (models[0] ?? base);
  rows.sort(
    (a, b) =>
      descending(creditIn(a, key, 'revenue'), creditIn(b, key, 'revenue')) ||
      descending(creditIn(a, key, 'events'), creditIn(b, key, 'events')) ||
      a.names.join('\n').localeCompare(b.names.join('\n'), 'en'),
  );
  return { models, rows, total, disagreeing };
}

/** The most that any model moves from the base in one row; shades are parts of it, so that money counts and not percent. */
export function mostMoved({ rows, models }: Comparison, base: AnyModel, measure: Measure): number {
  const moves = rows.flatMap((row) => models.map((model) => Math.abs(approximate(creditIn(row, model, measure) - creditIn(row, base, measure)))));
  return Math.max(0, ...moves);
}
