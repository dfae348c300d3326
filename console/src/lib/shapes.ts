/** The shapes that the console's reports and its frame read, as the server sends them. Amounts are decimal strings; times are RFC 3339. */

export interface User {
  id: string;
  email: string;
  name: string;
  roles: Assignment[];
  permissions: string[];
}

/** A role for all apps ("*") or for some, optionally narrowed to media sources and countries. */
export interface Assignment {
  role: string;
  apps: '*' | string[];
  media_sources?: string[] | null;
  countries?: string[] | null;
}

export interface LoginAnswer {
  access_token: string;
  expires_in: number;
  user?: User;
}

export interface Page<T> {
  data: T[];
  next_cursor?: string | null;
}

export interface App {
  id: string;
  name: string;
  currency: string;
  timezone: string;
  /** From where browsers may send; from anywhere if it is empty. */
  origins?: string[] | null;
  /** What is stored of people's IP addresses: all if it is empty. */
  addresses?: '' | 'truncate' | 'drop';
  created_at?: string;
}

export interface Money {
  currency: string;
  amount: string;
}

export interface Overview {
  events: number;
  clicks: number;
  impressions: number;
  installs: number;
  conversions: number;
  revenue: Money[] | null;
  fresh_until: string | null;
}

export interface Timeseries {
  metric: string;
  interval: string;
  currency?: string;
  points: { time: string; value: string }[] | null;
}

export interface AttributionRow {
  media_source: string;
  conversions: string;
  revenue: string;
  share: number;
  revenue_by_currency?: Money[] | null;
}

export interface AttributionReport {
  model: string;
  currency?: string;
  rows: AttributionRow[] | null;
  total: { conversions: string; revenue: string; revenue_by_currency?: Money[] | null; unconverted?: Money[] };
}

export interface ConversionRow {
  id: string;
  event: string;
  time: string;
  revenue: string | null;
  currency: string | null;
  result: string | null;
  media_source: string | null;
  campaign: string | null;
  touches: number;
}

export interface Candidate {
  touch_id: string;
  /** What the install says of itself where no touch bears it out; such a candidate has no touch and no time. */
  claim?: string;
  kind: string;
  time: string | null;
  media_source: string;
  campaign?: string;
  match: string;
  verdict: string;
}

export interface Touch {
  touch_id: string;
  kind?: string;
  time: string;
  media_source: string;
  campaign?: string;
  credit: Partial<Record<string, number>>;
  revenue?: Partial<Record<string, string>> | null;
}

export interface Journey {
  id: string;
  event: string;
  time: string;
  revenue?: string | null;
  currency?: string | null;
  settings_generation: number;
  inputs: number;
  input_digest: string;
  /** True where there were more touches than are kept. */
  truncated?: boolean;
  /** The install behind the conversion; without an id, none is known. */
  install?: {
    id?: string;
    result: string;
    reason?: string;
    touch_id?: string;
    media_source?: string;
    campaign?: string;
    match?: string;
    fraud?: { rule: string; level: string };
  } | null;
  /** Whether the install or a re-engagement is the source that it primarily counts for. */
  primary_source?: string;
  /** The re-engagement in whose window it lies. */
  re_engagement?: { opened: string; media_source: string; campaign: string };
  candidates?: Candidate[] | null;
  touches?: Touch[] | null;
}

export interface Agent {
  id: string;
  name: string;
  region: string;
  zone: string;
  state: string;
  version: string;
  queued_events: number;
  oldest_event: string | null;
  disk_used: number;
  disk_quota: number;
  certificate_expires: string | null;
  clock_skew_ms?: number;
  /** Where SDKs reach it; empty if it is not listed as an edge. */
  url?: string;
  last_seen: string | null;
}

export interface Member {
  id: string;
  address: string;
  region: string;
  zone: string;
  state: string;
  /** How far the member's work is behind, in milliseconds. */
  lag_ms: number;
  /** The member that answered. */
  self: boolean;
}

export interface Cluster {
  members: Member[] | null;
  mismatched_attributions: number;
}
