import type { Api } from './api.ts';
import type {
  AuditEntry,
  Enrollment,
  Invitation,
  Key,
  KeyKind,
  Link,
  NewKey,
  NewToken,
  Person,
  Role,
  SessionItem,
  Settings,
  Token,
  Totp,
  TotpSecret,
  Verification,
} from './managed.ts';
import type { App, Assignment, Page, User } from './shapes.ts';

/** What can be read and changed besides reports, one function each. */

const LINKS_PER_PAGE = 100;
const ENTRIES_PER_PAGE = 50;

const of = (app: App, rest: string) => `apps/${encodeURIComponent(app.id)}${rest}`;
const one = (list: string, id: string) => `${list}/${encodeURIComponent(id)}`;

export type AppBody = Pick<App, 'name' | 'currency' | 'timezone'> & { origins: string[]; addresses: string };

export const createApp = (api: Api, body: AppBody) => api.send<App>('POST', 'apps', body);
export const changeApp = (api: Api, app: App, body: AppBody) => api.send<App>('PATCH', of(app, ''), body);
export const deleteApp = (api: Api, app: App) => api.send('DELETE', of(app, ''));

export const listKeys = (api: Api, app: App, signal: AbortSignal) => api.get<Page<Key>>(of(app, '/keys'), {}, signal);
export const createKey = (api: Api, app: App, body: { name: string; kind: KeyKind }) => api.send<NewKey>('POST', of(app, '/keys'), body);
export const revokeKey = (api: Api, app: App, key: Key) => api.send('DELETE', of(app, one('/keys', key.id)));

/** A link as it is sent: without what the server sets. */
export type LinkBody = Omit<Link, 'id' | 'created_at' | 'app'>;

export const listLinks = (api: Api, app: App, cursor: string | null, signal: AbortSignal) =>
  api.get<Page<Link>>(of(app, '/links'), { limit: LINKS_PER_PAGE, cursor }, signal);
export const createLink = (api: Api, app: App, body: LinkBody) => api.send<Link>('POST', of(app, '/links'), body);
export const changeLink = (api: Api, app: App, id: string, body: LinkBody) => api.send<Link>('PUT', of(app, one('/links', id)), body);
export const deleteLink = (api: Api, app: App, link: Link) => api.send('DELETE', of(app, one('/links', link.id)));

export const listSettings = (api: Api, app: App, signal?: AbortSignal) => api.get<Page<Settings>>(of(app, '/attribution/versions'), {}, signal);
export const putSettings = (api: Api, app: App, body: Settings) => api.send<Settings>('PUT', of(app, '/attribution'), body);

export const listRoles = (api: Api, signal: AbortSignal) => api.get<Page<Role>>('roles', {}, signal);
export const createRole = (api: Api, body: { role: string; description: string; permissions: string[] }) => api.send<Role>('POST', 'roles', body);
export const changeRole = (api: Api, role: string, body: { description: string; permissions: string[] }) =>
  api.send<Role>('PUT', one('roles', role), body);
export const deleteRole = (api: Api, role: string) => api.send('DELETE', one('roles', role));
export const listPeople = (api: Api, signal: AbortSignal) => api.get<Page<Person>>('users', {}, signal);

export interface PersonBody {
  email: string;
  name: string;
  password?: string;
  roles: Assignment[];
}

export const createPerson = (api: Api, body: PersonBody) => api.send<Person>('POST', 'users', body);
export const changePerson = (api: Api, id: string, body: { name?: string; disabled?: boolean; password?: string }) =>
  api.send<Person>('PATCH', one('users', id), body);
export const deletePerson = (api: Api, id: string) => api.send('DELETE', one('users', id));
export const setRoles = (api: Api, id: string, roles: Assignment[]) => api.send<Person>('PUT', `${one('users', id)}/roles`, { roles });

export const makeResetLink = (api: Api, id: string) => api.send<Invitation>('POST', `${one('users', id)}/reset-link`);
export const clearTotp = (api: Api, id: string) => api.send('DELETE', `${one('users', id)}/totp`);
export const acceptLink = (api: Api, token: string, password: string) => api.send('POST', 'auth/accept', { token, password });

export const changeMe = (api: Api, body: { name?: string; current_password?: string; password?: string }) => api.send<User>('PATCH', 'me', body);
export const listSessions = (api: Api, signal: AbortSignal) => api.get<Page<SessionItem>>('me/sessions', {}, signal);
export const endSession = (api: Api, id: string) => api.send('DELETE', one('me/sessions', id));

export const readTotp = (api: Api, signal: AbortSignal) => api.get<Totp>('me/totp', {}, signal);
export const startTotp = (api: Api, current_password: string) => api.send<TotpSecret>('POST', 'me/totp', { current_password });
export const confirmTotp = (api: Api, code: string) => api.send<{ recovery_codes: string[] }>('POST', 'me/totp/confirm', { code });
export const endTotp = (api: Api, current_password: string) => api.send('DELETE', 'me/totp', { current_password });

export const listTokens = (api: Api, signal: AbortSignal) => api.get<Page<Token>>('me/tokens', {}, signal);
export const createToken = (api: Api, body: { name: string; permissions: string[]; apps: '*' | string[]; expires_in_days: number }) =>
  api.send<NewToken>('POST', 'me/tokens', body);
export const endToken = (api: Api, id: string) => api.send('DELETE', one('me/tokens', id));

export interface AuditFilter {
  actor: string;
  action: string;
  outcome: string;
  from: string;
  to: string;
}

export const listAudit = (api: Api, filter: AuditFilter, cursor: string | null, signal: AbortSignal) =>
  api.get<Page<AuditEntry>>('audit', { ...filter, limit: ENTRIES_PER_PAGE, cursor }, signal);
export const verifyAudit = (api: Api, signal: AbortSignal) => api.get<Verification>('audit/verify', {}, signal);

export const createEnrollment = (api: Api, body: { name: string; region: string; zone: string }) =>
  api.send<Enrollment>('POST', 'agents/enrollment-tokens', body);
export const changeAgent = (api: Api, id: string, body: { url: string }) => api.send('PATCH', one('agents', id), body);
export const revokeAgent = (api: Api, id: string) => api.send('POST', `${one('agents', id)}/revoke`);
