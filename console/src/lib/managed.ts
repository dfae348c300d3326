import type { Assignment } from './shapes.ts';

/** The shapes of what is managed in the console, as the server sends them. Times are RFC 3339. */

export interface Key {
  id: string;
  name: string;
  kind: KeyKind;
  prefix: string;
  created_at: string;
  revoked_at: string | null;
}

export type KeyKind = 'client' | 'server';

/** A key that was just made; the key itself is told this once. */
export interface NewKey extends Key {
  key: string;
}

/** Addresses by whom they are for: ios, android, web, or one of these (* is any) in a country, as in "ios/DE". */
export type Targets = Record<string, string>;

export interface Link {
  id: string;
  slug: string;
  media_source: string;
  campaign?: string;
  adset?: string;
  ad?: string;
  keyword?: string;
  retargeting: boolean;
  deep_links?: Targets | null;
  redirects?: Targets | null;
  stores?: Targets | null;
  fallback: string;
  created_at: string;
}

export interface Override {
  link_id?: string;
  media_source?: string;
  click_window_ms?: number;
  impression_window_ms?: number;
}

/** One version of an app's attribution settings. Lengths are milliseconds, weights millionths. */
export type FraudAction = 'off' | 'flag' | 'reject';

/** What each rule against fraud leads to, and where it begins. */
export interface FraudSettings {
  blocked_address: FraudAction;
  bot: FraudAction;
  malformed_advertising_id: FraudAction;
  click_after_install_begin: FraudAction;
  device_frequency: FraudAction;
  address_frequency: FraudAction;
  short_click_to_install: FraudAction;
  min_click_to_install_ms: number;
  max_clicks: number;
  max_clicks_window_ms: number;
}

export interface Settings {
  generation: number;
  click_window_ms: number;
  impression_window_ms: number;
  overrides?: Override[] | null;
  reattribution_window_ms: number;
  inactivity_ms: number;
  reengagement_window_ms: number;
  probabilistic: boolean;
  probabilistic_click_window_ms: number;
  probabilistic_impression_window_ms: number;
  fraud: FraudSettings;
  /** Addresses of data centres and the like, as prefixes. */
  blocked_ranges?: string[] | null;
  lateness_ms: number;
  lookback_ms: number;
  half_life_ms: number;
  position_first: number;
  position_middle: number;
  position_last: number;
  transform: string;
  impressions_in_mta: boolean;
  conversion_events: string[] | null;
  valid_from?: string;
  created_by?: string;
}

export interface Person {
  id: string;
  email: string;
  name: string;
  roles: Assignment[] | null;
  disabled: boolean;
  created_at: string;
  last_login_at: string | null;
  /** "service" for an account that only programs use. */
  kind?: string;
  totp?: boolean;
  /** True until a password was chosen. */
  invited?: boolean;
  /** Told once, when somebody was made without a password. */
  invitation?: Invitation;
}

/** A link with which somebody chooses a password. */
export interface Invitation {
  token: string;
  path: string;
  expires_at: string;
}

export interface Role {
  role: string;
  /** One of those that every installation has; they cannot be changed. */
  builtin?: boolean;
  description?: string;
  permissions: string[];
}

export interface SessionItem {
  id: string;
  created_at: string;
  expires_at: string;
  last_used_at: string;
  ip: string;
  user_agent: string;
  current: boolean;
}

export interface AuditEntry {
  seq: number;
  time: string;
  actor_kind: string;
  actor: string;
  action: string;
  outcome: string;
  target: string;
  app?: string;
  request_id?: string;
  ip?: string;
  detail: unknown;
}

export interface Verification {
  valid: boolean;
  entries: number;
  first_bad?: number;
  reason?: string;
  head: string;
  /** The last entry that a signature covers. */
  signed?: { seq: number; time: string; key: string } | null;
}

export interface Totp {
  enabled: boolean;
  pending: boolean;
  recovery_codes_left: number;
}

/** The secret of a second factor, told once. */
export interface TotpSecret {
  secret: string;
  url: string;
}

export interface Token {
  id: string;
  name: string;
  prefix: string;
  permissions: string[];
  apps: '*' | string[];
  created_at: string;
  expires_at: string;
  last_used_at: string | null;
}

/** An API token that was just made; the token itself is told this once. */
export interface NewToken extends Token {
  token: string;
}

export interface Enrollment {
  token: string;
  expires: string;
}
