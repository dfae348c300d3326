import type { Api } from './api.ts';
import type { Answer, Item } from './contract.ts';
import type { App, Page } from './shapes.ts';

/** What is told to ad networks and to servers of one's own. */
export type Postback = Item<'apps/{app}/postbacks'>;
export type Delivery = Item<'apps/{app}/postbacks/{postback}/deliveries'>;
export type ReadyMade = Answer<'apps/{app}/postbacks/templates'>;
export type Tested = Answer<'apps/{app}/postbacks/{postback}/test', 'post'>;
export type PostbackBody = Record<string, unknown>;

const of = (app: App, rest = '') => `apps/${encodeURIComponent(app.id)}/postbacks${rest}`;
const one = (app: App, id: string, rest = '') => of(app, `/${encodeURIComponent(id)}${rest}`);

export const listPostbacks = (api: Api, app: App, signal: AbortSignal) => api.get<Page<Postback>>(of(app), {}, signal);
export const readTemplates = (api: Api, app: App, signal: AbortSignal) => api.get<ReadyMade>(of(app, '/templates'), {}, signal);
export const createPostback = (api: Api, app: App, body: PostbackBody) => api.send<Postback>('POST', of(app), body);
export const changePostback = (api: Api, app: App, id: string, body: PostbackBody) => api.send<Postback>('PUT', one(app, id), body);
export const deletePostback = (api: Api, app: App, id: string) => api.send('DELETE', one(app, id));
export const testPostback = (api: Api, app: App, id: string) => api.send<Tested>('POST', one(app, id, '/test'));
export const resend = (api: Api, app: App, id: string, delivery?: string) =>
  api.send<{ deliveries: number }>('POST', one(app, id, '/resend'), delivery ? { delivery } : {});

export const listDeliveries = (api: Api, app: App, id: string, state: string, cursor: string | null, signal: AbortSignal) =>
  api.get<Page<Delivery>>(one(app, id, '/deliveries'), { state: state || null, limit: 50, cursor }, signal);

/** The form of a postback: lists as lines of text. */
export interface Form {
  name: string;
  template: string;
  enabled: boolean;
  method: string;
  url: string;
  format: string;
  body: string;
  headers: string;
  events: string;
  media_sources: string;
  campaigns: string;
  countries: string;
  settle_minutes: number;
  corrections: boolean;
  unattributed: boolean;
  signing: string;
  secrets: Record<string, string>;
}

type Fields = Partial<Omit<Postback, 'secrets'>>;

const lines = (values: readonly string[] | null | undefined) => (values ?? []).join('\n');
const split = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

export function formOf(p: Fields | undefined, secrets: readonly string[] = []): Form {
  return {
    name: p?.name ?? '',
    template: p?.template ?? '',
    enabled: p?.enabled ?? true,
    method: p?.method ?? 'GET',
    url: p?.url ?? '',
    format: p?.format ?? 'none',
    body: p?.body ?? '',
    headers: Object.entries(p?.headers ?? {})
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
    events: lines(p?.events),
    media_sources: lines(p?.media_sources),
    campaigns: lines(p?.campaigns),
    countries: lines(p?.countries),
    settle_minutes: p?.settle_minutes ?? 0,
    corrections: p?.corrections ?? false,
    unattributed: p?.unattributed ?? false,
    signing: '',
    secrets: Object.fromEntries(secrets.map((name) => [name, ''])),
  };
}

/** The body that is sent. An empty secret stays as it is. */
export function bodyOf(form: Form): PostbackBody {
  const headers = split(form.headers).map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon < 0 ? line.length : colon).trim(), colon < 0 ? '' : line.slice(colon + 1).trim()];
  });
  const named = Object.entries(form.secrets).filter(([, value]) => value);
  const { signing, secrets: _, ...rest } = form;
  return {
    ...rest,
    headers: Object.fromEntries(headers),
    events: split(form.events),
    media_sources: split(form.media_sources),
    campaigns: split(form.campaigns),
    countries: split(form.countries).map((code) => code.toUpperCase()),
    body: form.format === 'none' ? '' : form.body,
    ...(signing ? { signing_secret: signing } : {}),
    ...(named.length > 0 ? { secrets: Object.fromEntries(named) } : {}),
  };
}

/** The names of secrets that a template uses: {secret.NAME}. */
export function secretsOf(form: Pick<Form, 'url' | 'body' | 'headers'>): string[] {
  const found = `${form.url}\n${form.headers}\n${form.body}`.matchAll(/\{secret\.([A-Za-z0-9_.-]+)\}/g);
  return [...new Set([...found].map(([, name]) => name ?? ''))].sort();
}

const STATES: Record<string, string> = { due: 'Waits', delivered: 'Delivered', dead: 'Dead', withdrawn: 'Withdrawn' };
export const stateName = (state: string) => STATES[state] ?? state;
