import type { Answer, Item } from './contract.ts';

/** What the console's reports and its frame read, by the routes that answer it. Amounts are decimal strings; times are RFC 3339. */

export type User = Answer<'me'>;

/** A role for all apps ("*") or for some, optionally narrowed to media sources and countries. */
export type Assignment = User['roles'][number];
export type Permission = User['permissions'][number];

export type LoginAnswer = Answer<'auth/login', 'post'>;

export interface Page<T> {
  data: T[];
  next_cursor?: string | null;
}

export type App = Item<'apps'>;

export type Overview = Answer<'apps/{app}/reports/overview'>;
export type Money = Pick<Overview['revenue'][number], 'currency' | 'amount'>;
export type AttributionReport = Answer<'apps/{app}/reports/attribution'>;
export type ConversionRow = Item<'apps/{app}/conversions'>;
/** One conversion: its touches, what each model gives them, and who won the install behind it. */
export type Journey = Answer<'apps/{app}/conversions/{conversion}'>;
export type Candidate = Journey['candidates'][number];
export type Touch = Journey['touches'][number];
export type Agent = Item<'agents'>;
export type Cluster = Answer<'cluster'>;
