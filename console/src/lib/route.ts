import type { Permission } from './shapes.ts';

/** Which page a path names, and the way back. Pure: the browser's history is in router.svelte.ts. */

/**
 * What each page needs, nothing for one's own account; the server decides, the
 * console only does not offer what it would refuse.
 */
const APP_PAGES = {
  home: 'reports.read',
  campaigns: 'reports.read',
  models: 'reports.read',
  paths: 'reports.read',
  conversions: 'raw.read',
  journey: 'raw.read',
  start: 'apps.write',
  links: 'apps.read',
  costs: 'reports.read',
  rules: 'apps.read',
  keys: 'apps.write',
  postbacks: 'postbacks.write',
  late: 'reports.read',
} as const satisfies Record<string, Permission>;

const PLAIN_PAGES = {
  health: 'agents.read',
  people: 'users.read',
  roles: 'users.read',
  signin: 'users.read',
  audit: 'audit.read',
  apps: 'apps.read',
  account: '',
} as const satisfies Record<string, Permission | ''>;

export type AppPage = keyof typeof APP_PAGES;
export type PlainPage = keyof typeof PLAIN_PAGES;

export const PERMISSIONS: Record<AppPage | PlainPage, Permission | ''> = { ...APP_PAGES, ...PLAIN_PAGES };

export type Route = { page: 'first' } | { page: AppPage; app: string } | { page: PlainPage } | { page: 'missing' };

/** What pages were called before; their addresses are in bookmarks and mails. */
const FORMER: Record<string, AppPage | PlainPage> = { overview: 'home', attribution: 'rules', cluster: 'health' };

export function isAppPage(page: string): page is AppPage {
  return Object.hasOwn(APP_PAGES, page);
}

const named = (name: string) => (Object.hasOwn(FORMER, name) ? (FORMER[name] ?? name) : name);

export function parseRoute(path: string): Route {
  const parts = path.split('/').filter(Boolean);
  const [first = '', app, last] = parts;
  if (parts.length === 0 || (parts.length === 1 && first === 'login')) return { page: 'first' };
  if (parts.length === 1 && Object.hasOwn(PLAIN_PAGES, named(first))) return { page: named(first) as PlainPage };
  const page = named(last ?? '');
  if (first !== 'apps' || !app || parts.length > 3 || !isAppPage(page)) return { page: 'missing' };
  try {
    return { page, app: decodeURIComponent(app) };
  } catch {
    return { page: 'missing' }; // a stray % is not an app
  }
}

/** The parameters that follow the reader from page to page: what the bar above every report says. */
const CARRIED = ['range', 'from', 'to', 'compare', 'filter', 'event', 'model', 'currency', 'fraud'];

export function carried(query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const name of CARRIED) for (const value of query.getAll(name)) kept.append(name, value);
  return kept;
}

/** Parameters to change: null removes one, a list puts it in several times. */
export type Changes = Record<string, string | readonly string[] | null>;

export function changed(query: URLSearchParams, changes: Changes): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) next.append(name, one);
  }
  return next;
}

export function pathOf(route: Route): string {
  if ('app' in route) return `/apps/${encodeURIComponent(route.app)}/${route.page}`;
  return route.page in PERMISSIONS ? `/${route.page}` : '/';
}

export function href(route: Route, query?: URLSearchParams): string {
  const text = query?.toString();
  return pathOf(route) + (text ? `?${text}` : '');
}
