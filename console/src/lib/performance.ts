import type { Api, Query } from './api.ts';
import type { Answer } from './contract.ts';
import { micros } from './decimal.ts';
import { only, withFilter } from './filters.ts';
import { count, money, number, percent } from './format.ts';
import { asked, path, type Scope } from './reports.ts';

/** The grid: figures by up to five dimensions, under one model or all of them. */

export const DIMENSIONS = {
  media_source: 'Source',
  campaign: 'Campaign',
  adset: 'Ad set',
  ad: 'Ad',
  keyword: 'Keyword',
  link: 'Link',
  country: 'Country',
  platform: 'Platform',
  app_version: 'App version',
  sub1: 'Sub 1',
  day: 'Day',
  week: 'Week',
  month: 'Month',
} as const;
export type Dimension = keyof typeof DIMENSIONS;

/** Each metric: its name, how it is written, and what it means. */
export const METRICS = {
  cost: ['Spend', 'money', 'What was paid, as imported or stated on clicks.'],
  impressions: ['Impressions', 'count', 'Views of an ad that were reported.'],
  clicks: ['Clicks', 'count', 'Clicks on an ad or a link.'],
  ctr: ['CTR', 'share', 'Clicks ÷ impressions.'],
  installs: ['Installs', 'count', 'New installs, by the one source that won each. Reinstalls are not among them.'],
  cpi: ['CPI', 'money', 'Spend ÷ installs.'],
  cpc: ['CPC', 'money', 'Spend ÷ clicks.'],
  cvr: ['CVR', 'share', 'Installs ÷ clicks.'],
  events: ['Purchases', 'credit', 'Credit for the chosen conversion event, shared out by the model: hence the fractions.'],
  revenue: ['Revenue', 'money', 'Net revenue of the chosen event, shared out by the model.'],
  gross: ['Gross revenue', 'money', 'Revenue before refunds.'],
  refunds: ['Refunds', 'money', 'What was paid back.'],
  untrusted: ['Untrusted revenue', 'money', 'The part that a client key stated, which anybody could have sent.'],
  roas: ['ROAS', 'ratio', 'Revenue ÷ spend.'],
  arpu: ['ARPU', 'money', 'Revenue ÷ installs.'],
  reinstalls: ['Reinstalls', 'count', 'Installed again within the re-attribution window.'],
  re_engagements: ['Re-engagements', 'count', 'Came back through a retargeting touch.'],
  fraud_share: ['Fraud', 'share', 'Share of installs that a rule against fraud marked.'],
} as const satisfies Record<string, readonly [string, 'money' | 'count' | 'share' | 'credit' | 'ratio', string]>;
export type Metric = keyof typeof METRICS;

export const isMetric = (name: string): name is Metric => Object.hasOwn(METRICS, name);
export const isDimension = (name: string): name is Dimension => Object.hasOwn(DIMENSIONS, name);

export type Performance = Answer<'apps/{app}/reports/performance'>;
export type Row = Performance['rows'][number];

export interface Question {
  by: readonly Dimension[];
  metrics: readonly Metric[];
  /** Filters besides those of the bar: the row that is opened. */
  within?: readonly string[];
  sort?: string;
  all?: boolean;
  compare?: boolean;
  limit?: number;
  cursor?: string | null;
}

/** The query of the grid; the same for the screen and for what is saved. */
export function performanceQuery(scope: Scope, { by, metrics, within = [], sort, all, compare, limit, cursor }: Question): Query {
  return {
    ...asked(scope),
    filter: within.reduce(withFilter, scope.filters),
    group_by: by.join(','),
    metrics: metrics.join(','),
    event: scope.event,
    model: scope.model,
    models: all ? 'all' : null,
    compare: compare && scope.compare !== 'none' ? scope.compare : null,
    sort: sort ?? null,
    limit: limit ?? null,
    cursor: cursor ?? null,
  };
}

export function performance(api: Api, scope: Scope, question: Question, signal?: AbortSignal): Promise<Performance> {
  return api.get(path(scope.app, 'reports/performance'), performanceQuery(scope, question), signal);
}

/** The value of a row in a dimension; some have none. */
export const valueOf = (row: Row, dimension: Dimension): string => row[dimension] ?? '';

/** The filters that a row stands for, below those of the rows above it. */
export const within = (above: readonly string[], row: Row, dimension: Dimension): string[] => [...above, only(dimension, valueOf(row, dimension))];

/** A figure as it is written; "–" where it has no meaning. */
export function shown(metric: Metric, value: string | null | undefined, currency: string): string {
  if (value === null || value === undefined) return '–';
  switch (METRICS[metric][1]) {
    case 'money':
      return money(value, currency);
    case 'share':
      return percent(micros(value));
    case 'ratio':
      return number(value);
    case 'credit':
      return number(value, micros(value) % 1_000_000n === 0n || micros(value) >= 1_000_000_000n ? 0 : 1);
  }
  return count(micros(value) / 1_000_000n);
}

/** Change from the days before in millionths of them; null where there is nothing to compare with. */
export function change(now: string | null | undefined, before: string | null | undefined): bigint | null {
  if (now == null || before == null) return null;
  const [to, from] = [micros(now), micros(before)];
  if (from === 0n) return to === 0n ? 0n : null;
  return ((to - from) * 1_000_000n) / (from < 0n ? -from : from);
}

/** Metrics of which less is better. */
const COSTLY: readonly string[] = ['cost', 'cpi', 'cpc', 'refunds', 'fraud_share', 'untrusted'];
export const better = (metric: Metric, by: bigint): boolean => by > 0n !== COSTLY.includes(metric);
