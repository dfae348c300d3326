import type { Api } from './api.ts';
import { rangeQuery } from './dates.ts';
import { path, type Scope } from './reports.ts';
import type { App, ConversionRow, Journey, Page } from './shapes.ts';

/** The questions of the pages behind the overview. */

const CONVERSIONS_PER_PAGE = 50;

export function conversions(api: Api, { app, zone, range }: Scope, cursor: string | null, signal: AbortSignal): Promise<Page<ConversionRow>> {
  return api.get(path(app, 'conversions'), { ...rangeQuery(range, zone), limit: CONVERSIONS_PER_PAGE, cursor }, signal);
}

export function journey(api: Api, app: App, id: string, signal: AbortSignal): Promise<Journey> {
  return api.get(path(app, `conversions/${encodeURIComponent(id)}`), {}, signal);
}
