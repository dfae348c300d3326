import type { Api, Query } from './api.ts';
import { rangeQuery, type Range } from './dates.ts';
import type { AnyModel } from './models.ts';
import type { App, Overview, Page } from './shapes.ts';

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

/** The parameters that every report takes alike. */
export function asked({ zone, range, filters, currency, fraud }: Scope): Query {
  return { ...rangeQuery(range, zone), tz: zone, filter: filters, currency, fraud: fraud === 'net' ? fraud : null };
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
