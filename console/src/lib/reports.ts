import type { Api } from './api.ts';
import { rangeQuery, type Range } from './dates.ts';
import type { AnyModel, Model } from './models.ts';
import type { App, AttributionReport, Overview, Page, Timeseries } from './shapes.ts';

/** The questions of the overview, one function each; those of the pages behind it are in details.ts, so that the first visit does without them. */

export const METRICS = ['events', 'clicks', 'impressions', 'installs', 'conversions', 'revenue'] as const;
export type Metric = (typeof METRICS)[number];

export const METRIC_NAMES: Record<Metric, string> = {
  events: 'Events',
  clicks: 'Clicks',
  impressions: 'Impressions',
  installs: 'Installs',
  conversions: 'Conversions',
  revenue: 'Revenue',
};

export function isMetric(name: string | null): name is Metric {
  return METRICS.some((metric) => metric === name);
}

export const COMPARISONS = ['previous', 'year', 'none'] as const;
export type Compare = (typeof COMPARISONS)[number];

/** What the bar above every report says, besides the app and the days. */
export interface About {
  filters: string[];
  event: string;
  model: AnyModel;
  currency: string;
  compare: Compare;
  fraud: 'gross' | 'net';
}

/** What every report is asked about. */
export interface Scope extends About {
  app: App;
  zone: string;
  range: Range;
  /** When it was asked, in milliseconds; a later time asks again. */
  asked: number;
}

const MAX_APP_PAGES = 20;

export function path(app: App, rest: string): string {
  return `apps/${encodeURIComponent(app.id)}/${rest}`;
}

export async function listApps(api: Api, signal: AbortSignal): Promise<App[]> {
  const apps: App[] = [];
  let cursor: string | null | undefined;
  for (let page = 0; page < MAX_APP_PAGES; page++) {
    const answer: Page<App> = await api.get('apps', { cursor }, signal);
    apps.push(...answer.data);
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return apps;
}

export function overview(api: Api, { app, zone, range }: Scope, signal: AbortSignal): Promise<Overview> {
  return api.get(path(app, 'reports/overview'), rangeQuery(range, zone), signal);
}

export interface SeriesQuestion {
  metric: Metric;
  interval: string;
  currency: string;
}

export function timeseries(api: Api, { app, zone, range }: Scope, question: SeriesQuestion, signal: AbortSignal): Promise<Timeseries> {
  const { metric, interval, currency } = question;
  const query = { ...rangeQuery(range, zone), interval, tz: zone, metric, currency: metric === 'revenue' ? currency : null };
  return api.get(path(app, 'reports/timeseries'), query, signal);
}

export function attribution(api: Api, { app, zone, range }: Scope, model: Model, currency: string, signal: AbortSignal): Promise<AttributionReport> {
  return api.get(path(app, 'reports/attribution'), { ...rangeQuery(range, zone), model, group_by: 'media_source', currency }, signal);
}
