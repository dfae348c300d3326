import type { Api } from './api.ts';
import type { Answer, Item } from './contract.ts';
import { rangeQuery } from './dates.ts';
import { MODEL_NAMES } from './models.ts';
import { asked, path, type Scope } from './reports.ts';
import type { Settings } from './managed.ts';
import type { AttributionReport, Page } from './shapes.ts';

/** The questions behind the views of the model comparison, and the shapes of their answers. */

/** All models that a report can be asked under: the five, and the two that learn from all paths together. */
export const ALL_MODELS: Record<string, string> = { ...MODEL_NAMES, markov: 'Markov chain', shapley: 'Shapley value' };

export type TwoModels = Answer<'apps/{app}/reports/compare'>;

export function twoModels(
  api: Api,
  { app, zone, range }: Scope,
  question: { a: string; b: string; currency: string; run: string | null },
  signal: AbortSignal,
): Promise<TwoModels> {
  return api.get(path(app, 'reports/compare'), { ...rangeQuery(range, zone), ...question }, signal);
}

export type Paths = Answer<'apps/{app}/reports/paths'>;

const TOP_PATHS = 500;

export function paths(api: Api, scope: Scope, signal: AbortSignal): Promise<Paths> {
  return api.get(path(scope.app, 'reports/paths'), { ...asked(scope), limit: TOP_PATHS }, signal);
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

/** A computation that a server does in the background. */
export interface Run<P, R> {
  id: string;
  kind: string;
  name?: string;
  parameters: P & { from: string; to: string };
  state: 'pending' | 'running' | 'done' | 'failed' | 'cancelled';
  progress: number;
  fault?: string;
  created_by: string;
  created_at: string;
  finished_at: string | null;
  result?: R;
}

export const unfinished = ({ state }: Run<unknown, unknown>) => state === 'pending' || state === 'running';

export const RUN_STATES: Record<string, string> = { pending: 'Waiting', running: 'Running', done: 'Done', failed: 'Failed', cancelled: 'Cancelled' };

export interface Learned {
  markov: AttributionReport | null;
  shapley: AttributionReport | null;
  note?: string;
  conversions: number;
  lost: number;
  paths: number;
}
export type Learning = Run<{ currency?: string }, Learned>;

export interface Effect {
  conversions: number;
  of: number;
  changed: number;
  rows: { model: string; media_source: string; now: string; what_if: string; revenue: { currency: string; now: string; what_if: string }[] }[];
  installs: { result: string; media_source: string; now: number; what_if: number }[];
}
export type WhatIf = Run<{ settings: Settings }, Effect>;

const LEARNED = 'reports/data-driven';
const WHAT_IFS = 'backfills';
const one = (list: string, id: string) => `${list}/${encodeURIComponent(id)}`;

export const learnings = (api: Api, { app }: Scope, signal: AbortSignal) => api.get<Page<Learning>>(path(app, LEARNED), {}, signal);
export const learning = (api: Api, { app }: Scope, id: string, signal: AbortSignal) => api.get<Learning>(path(app, one(LEARNED, id)), {}, signal);
export const learn = (api: Api, { app, zone, range }: Scope, currency: string) =>
  api.send<Learning>('POST', path(app, LEARNED), { ...rangeQuery(range, zone), currency });
export const cancelLearning = (api: Api, { app }: Scope, id: string) => api.send('POST', path(app, `${one(LEARNED, id)}/cancel`));
export const forgetLearning = (api: Api, { app }: Scope, id: string) => api.send('DELETE', path(app, one(LEARNED, id)));

export const whatIfs = (api: Api, { app }: Scope, signal: AbortSignal) => api.get<Page<WhatIf>>(path(app, WHAT_IFS), {}, signal);
export const whatIf = (api: Api, { app }: Scope, id: string, signal: AbortSignal) => api.get<WhatIf>(path(app, one(WHAT_IFS, id)), {}, signal);
export const startWhatIf = (api: Api, { app, zone, range }: Scope, name: string, settings: Partial<Settings>) =>
  api.send<WhatIf>('POST', path(app, WHAT_IFS), { ...rangeQuery(range, zone), name, settings });
export const cancelWhatIf = (api: Api, { app }: Scope, id: string) => api.send('POST', path(app, `${one(WHAT_IFS, id)}/cancel`));
export const forgetWhatIf = (api: Api, { app }: Scope, id: string) => api.send('DELETE', path(app, one(WHAT_IFS, id)));

export const preview = (api: Api, { app }: Scope, settings: Settings) => api.send<Effect>('POST', path(app, 'attribution/preview'), { settings });

/** One of the five models over the days of a run. */
export function attributionOf(api: Api, { app }: Scope, run: Learning, model: string, signal: AbortSignal): Promise<AttributionReport> {
  const { from, to, currency } = run.parameters;
  return api.get(path(app, 'reports/attribution'), { from, to, currency, model, group_by: 'media_source' }, signal);
}

export type Rate = Item<'rates'>;

export const rates = (api: Api, cursor: string | null, signal: AbortSignal) => api.get<Page<Rate>>('rates', { limit: 100, cursor }, signal);
export const putRates = (api: Api, body: { rates?: Rate[]; file?: string }) => api.send<{ stored: number }>('PUT', 'rates', body);

export type Around = Answer<'apps/{app}/conversions/{conversion}/around'>;

export const around = (api: Api, { app }: Scope, id: string, signal: AbortSignal) =>
  api.get<Around>(path(app, `conversions/${encodeURIComponent(id)}/around`), {}, signal);

/** Why a touch has no share of a conversion. */
export const REASONS: Record<string, string> = {
  late: 'It arrived after the lateness limit.',
  late_link: 'What connects it with the person arrived after the lateness limit.',
  consent_withheld: 'The person did not agree to attribution.',
  after_conversion: 'It happened after the conversion.',
  window_expired: 'It was older than the lookback.',
  impression: 'Impressions take no part in the journeys of this app.',
  not_on_path: 'A path rule of this app, or a fraud rule, leaves it out.',
};

export type Late = Answer<'apps/{app}/reports/late'>;
export type LateTouches = Answer<'apps/{app}/late-touches'>;
export type Conflict = Item<'apps/{app}/conflicts'>;

export const late = (api: Api, { app, zone, range }: Scope, signal: AbortSignal) =>
  api.get<Late>(path(app, 'reports/late'), rangeQuery(range, zone), signal);
export const lateTouches = (api: Api, { app, zone, range }: Scope, signal: AbortSignal) =>
  api.get<LateTouches>(path(app, 'late-touches'), rangeQuery(range, zone), signal);
export const conflicts = (api: Api, { app }: Scope, cursor: string | null, signal: AbortSignal) =>
  api.get<Page<Conflict>>(path(app, 'conflicts'), { limit: 50, cursor }, signal);
