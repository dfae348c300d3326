import { approximate, micros } from './decimal.ts';
import type { AnyModel } from './models.ts';
import type { Row } from './performance.ts';

/** The figures that every model has an own opinion of. */
export type Disputed = 'events' | 'revenue';

/** Where the models put a figure of one row, on a line from nothing to the largest of all rows. */
export interface Span {
  min: number;
  max: number;
  ticks: { model: AnyModel; at: number; value: string }[];
  /** True if the models are less than a fifth apart. */
  firm: boolean;
}

/** Above this share of the largest, the models dispute a figure. */
const FIRM_PARTS = 200_000n;

export function figuresOf(row: Pick<Row, 'models'>, metric: Disputed): [AnyModel, string][] {
  return Object.entries(row.models ?? {}).map(([model, figures]) => [model as AnyModel, figures[metric]]);
}

/** The spread of all models over one figure in millionths of the largest. */
export function spread(row: Row, metric: Disputed): bigint {
  const values = figuresOf(row, metric).map(([, value]) => micros(value));
  if (values.length === 0) return 0n;
  const max = values.reduce((a, b) => (a > b ? a : b));
  const min = values.reduce((a, b) => (a < b ? a : b));
  return max === 0n ? 0n : ((max - min) * 1_000_000n) / (max < 0n ? -max : max);
}

export function span(row: Row, metric: Disputed, largest: number): Span | null {
  const ticks = figuresOf(row, metric).map(([model, value]) => ({
    model,
    value,
    at: largest > 0 ? Math.max(0, approximate(micros(value)) / largest) : 0,
  }));
  if (ticks.length === 0) return null;
  const at = ticks.map((tick) => tick.at);
  return { min: Math.min(...at), max: Math.max(...at), ticks, firm: spread(row, metric) < FIRM_PARTS };
}

/** The largest figure that any model gives any row. */
export function largest(rows: readonly Row[], metric: Disputed): number {
  return Math.max(0, ...rows.flatMap((row) => figuresOf(row, metric).map(([, value]) => approximate(micros(value)))));
}
