import type { Api } from './api.ts';
import type { Assignment, Page } from './shapes.ts';

/** Signing in at an OpenID Connect provider, and how it is configured. */

export interface Provider {
  id: string;
  name: string;
  issuer: string;
  client_id: string;
  has_secret: boolean;
  public_url: string;
  create_people: boolean;
  domains: string[] | null;
  roles: Assignment[] | null;
  passwords_off: boolean;
}

export interface ProviderSettings {
  provider: Provider | null;
  callback_path: string;
}

/** A provider as it shall be; without client_secret the one that is kept stays. */
export type ProviderBody = Omit<Provider, 'id' | 'has_secret'> & { client_secret?: string };

export interface Identity {
  id: string;
  issuer: string;
  subject: string;
  email: string;
  created_at: string;
  last_used_at: string;
}

const one = (list: string, id: string) => `${list}/${encodeURIComponent(id)}`;

export const readLoginWays = (api: Api, signal?: AbortSignal) => api.get<{ provider: { name: string } | null }>('auth/oidc', {}, signal);
export const startLogin = (api: Api, return_to: string) => api.send<{ url: string }>('POST', 'auth/oidc/start', { return_to });
export const finishLogin = (api: Api, totp: string) => api.send('POST', 'auth/oidc/totp', { totp });

export const readProvider = (api: Api, signal: AbortSignal) => api.get<ProviderSettings>('provider', {}, signal);
export const changeProvider = (api: Api, body: ProviderBody) => api.send<ProviderSettings>('PUT', 'provider', body);
export const removeProvider = (api: Api, id: string) => api.send('DELETE', one('provider', id));

export const myIdentities = (api: Api, signal: AbortSignal) => api.get<Page<Identity>>('me/identities', {}, signal);
export const unlinkMine = (api: Api, id: string) => api.send('DELETE', one('me/identities', id));
export const identitiesOf = (api: Api, person: string, signal: AbortSignal) =>
  api.get<Page<Identity>>(`${one('users', person)}/identities`, {}, signal);
export const unlink = (api: Api, person: string, id: string) => api.send('DELETE', one(`${one('users', person)}/identities`, id));

const REASONS: Record<string, string> = {
  state: 'That sign-in was not begun in this browser, was used already, or took too long. Please try again.',
  provider_denied: 'The provider did not let you in.',
  provider_unavailable: 'The provider cannot be reached at the moment. Try again, or use your password.',
  busy: 'Too many people sign in at this moment. Please try again.',
  unavailable: 'The server could not look you up. Please try again.',
  code_refused: 'The provider did not take our question back. Try again; if that does not help, its configuration here is wrong.',
  token_invalid: 'What the provider says about you could not be verified.',
  email_unverified: 'The provider has not verified your email address, so it cannot say which account is yours.',
  person_unknown: 'You have no account here. Ask whoever manages people for an invitation.',
  person_disabled: 'Your account is disabled.',
  linked_otherwise: 'The account with your email address belongs to another person at the provider. Ask whoever manages people to unlink it.',
  person_not_created: 'Your account could not be made. Ask whoever manages people.',
  not_configured: 'There is no provider any more. Use your password.',
};

/** Why a sign-in at the provider came to nothing, in words. */
export function wordsOf(reason: string): string {
  return (Object.hasOwn(REASONS, reason) && REASONS[reason]) || 'Signing in at the provider did not work.';
}

/** Parts the reason with which the server sent the browser back from the address that it came with. */
export function takeReason(href: string): { reason: string; rest: string } {
  const url = new URL(href);
  const reason = url.searchParams.get('sso') ?? '';
  if (!reason) return { reason, rest: url.pathname + url.search };
  const kept = [...url.searchParams].filter(([name]) => name !== 'sso');
  const search = new URLSearchParams(kept).toString();
  return { reason, rest: url.pathname + (search && `?${search}`) };
}
