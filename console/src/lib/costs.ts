import type { Api } from './api.ts';
import type { Answer, Item } from './contract.ts';
import { asked, path, type Scope } from './reports.ts';

/** What advertising cost: as imported, and whether it meets the traffic. */
export type CostItem = Item<'apps/{app}/costs'>;
export type Coverage = Answer<'apps/{app}/costs/coverage'>;
export type Imported = Answer<'apps/{app}/costs', 'post'>;

const PER_PAGE = 50;

export interface Import {
  file: string;
  currency: string;
  media_source?: string;
  dry_run?: boolean;
}

export const listCosts = (api: Api, scope: Scope, cursor: string | null, signal: AbortSignal) =>
  api.get<Answer<'apps/{app}/costs'>>(path(scope.app, 'costs'), { ...asked(scope), currency: null, fraud: null, limit: PER_PAGE, cursor }, signal);
export const coverage = (api: Api, scope: Scope, signal: AbortSignal) =>
  api.get<Coverage>(path(scope.app, 'costs/coverage'), { ...asked(scope), filter: null, currency: null, fraud: null }, signal);
export const importCosts = (api: Api, scope: Scope, body: Import) => api.send<Imported>('POST', path(scope.app, 'costs'), body);

/** What the formats are called that a file may come in. */
export const FORMATS: Record<string, string> = {
  ours: 'our own columns',
  google_ads: 'an export of Google Ads',
  meta: 'an export of Meta Ads',
  tiktok: 'an export of TikTok Ads',
  apple_search_ads: 'an export of Apple Search Ads',
};
