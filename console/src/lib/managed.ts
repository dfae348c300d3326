import type { Answer, Item } from './contract.ts';

/** What is managed in the console, by the routes that answer it. Times are RFC 3339. */

export type Key = Item<'apps/{app}/keys'>;
export type KeyKind = Key['kind'];
/** A key that was just made; the key itself is told this once. */
export type NewKey = Answer<'apps/{app}/keys', 'post'>;

/** Addresses by whom they are for: ios, android, web, or one of these (* is any) in a country, as in "ios/DE". */
export type Targets = Record<string, string>;
export type Link = Item<'apps/{app}/links'>;

/** One version of an app's attribution settings. Lengths are milliseconds, weights millionths. */
type Version = Item<'apps/{app}/attribution/versions'>;
export type Settings = Omit<Version, 'valid_from' | 'created_by'> & Partial<Pick<Version, 'valid_from' | 'created_by'>>;
export type Override = NonNullable<Settings['overrides']>[number];
/** What each rule against fraud leads to, and where it begins. */
export type FraudSettings = Settings['fraud'];
export type FraudAction = 'off' | 'flag' | 'reject';

/** Somebody who may sign in; the invitation is told once, when somebody was made without a password. */
export type Person = Item<'users'> & { invitation?: Invitation | null };
/** A link with which somebody chooses a password. */
export type Invitation = Answer<'users/{user}/reset-link', 'post'>;
export type Role = Item<'roles'>;
export type SessionItem = Item<'me/sessions'>;
export type AuditEntry = Item<'audit'>;
export type Verification = Answer<'audit/verify'>;
export type Totp = Answer<'me/totp'>;
/** The secret of a second factor, told once. */
export type TotpSecret = Answer<'me/totp', 'post'>;
export type Token = Item<'me/tokens'>;
/** An API token that was just made; the token itself is told this once. */
export type NewToken = Answer<'me/tokens', 'post'>;
export type Enrollment = Answer<'agents/enrollment-tokens', 'post'>;
