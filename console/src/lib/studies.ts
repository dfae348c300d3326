import type { Api } from './api.ts';
import { rangeQuery } from './dates.ts';
import { MODEL_NAMES } from './models.ts';
import { path, type Scope } from './reports.ts';
import type { AttributionReport, Money } from './shapes.ts';

/** The questions behind the views of the model comparison, and the shapes of their answers. */

/** All models that a report can be asked under: the five, and the two that learn from all paths together. */
export const ALL_MODELS: Record<string, string> = { ...MODEL_NAMES, markov: 'Markov chain', shapley: 'Shapley value' };

export interface Side {
  conversions: string;
  revenue: string;
  share: number;
  rank: number;
}

export interface ComparedSides {
  media_source: string;
  a: Side;
  b: Side;
  difference: { conversions: string; revenue: string; rank: number };
}

export interface TwoModels {
  a: string;
  b: string;
  currency: string;
  rows: ComparedSides[];
  total: { a: AttributionReport['total']; b: AttributionReport['total'] };
}

export function twoModels(api: Api, { app, zone, range }: Scope, question: { a: string; b: string; currency: string }, signal: AbortSignal): Promise<TwoModels> {
  return api.get(path(app, 'reports/compare'), { ...rangeQuery(range, zone), ...question }, signal);
}

export interface Paths {
  conversions: number;
  paths: { path: string[]; conversions: number; share: number; revenue_by_currency: Money[] }[];
  lengths: { touches: number; conversions: number }[];
  lags: { days: number; conversions: number }[];
}

const TOP_PATHS = 50;

export function paths(api: Api, { app, zone, range }: Scope, signal: AbortSignal): Promise<Paths> {
  return api.get(path(app, 'reports/paths'), { ...rangeQuery(range, zone), limit: TOP_PATHS }, signal);
}

export interface Bar {
  name: string;
  count: number;
  share: number;
}

/** Puts counts into bars: each value up to `single`, and those beyond it in ranges that double. */
export function bars(list: readonly { at: number; count: number }[], single: number, name: (from: number, to: number) => string): Bar[] {
  const total = list.reduce((sum, { count }) => sum + count, 0);
  const last = Math.max(0, ...list.map(({ at }) => at));
  const made: Bar[] = [];
  const first = Math.min(single, ...list.map(({ at }) => at));
  for (let from = Math.max(first, 0), to = from; from <= last; from = to + 1, to = from <= single ? from : Math.max(from * 2 - 1, from)) {
    const count = list.reduce((sum, one) => (one.at >= from && one.at <= to ? sum + one.count : sum), 0);
    made.push({ name: name(from, Math.min(to, last)), count, share: total ? count / total : 0 });
  }
  return made;
}
