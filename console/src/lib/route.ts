import type { Permission } from './shapes.ts';

/** Which page a path names, and the way back. Pure: the browser's history is in router.svelte.ts. */

export type AppPage = 'overview' | 'models' | 'conversions' | 'journey' | 'links' | 'attribution' | 'keys';
export type PlainPage = 'apps' | 'people' | 'roles' | 'audit' | 'cluster' | 'account';

export type Route = { page: 'home' } | { page: AppPage; app: string } | { page: PlainPage } | { page: 'missing' };

const APP_PAGES: readonly string[] = ['overview', 'models', 'conversions', 'journey', 'links', 'attribution', 'keys'] satisfies AppPage[];

export function isAppPage(page: string): page is AppPage {
  return APP_PAGES.includes(page);
}

/**
 * What each page needs, nothing for one's own account; the server decides, the
 * console only does not offer what it would refuse.
 */
export const PERMISSIONS: Record<AppPage | PlainPage, Permission | ''> = {
  overview: 'reports.read',
  models: 'reports.read',
  conversions: 'raw.read',
  journey: 'raw.read',
  links: 'apps.read',
  attribution: 'apps.read',
  keys: 'apps.write',
  apps: 'apps.read',
  people: 'users.read',
  roles: 'users.read',
  audit: 'audit.read',
  cluster: 'agents.read',
  account: '',
};

export function parseRoute(path: string): Route {
  const parts = path.split('/').filter(Boolean);
  const [first = '', app, page] = parts;
  if (parts.length === 0 || (parts.length === 1 && first === 'login')) return { page: 'home' };
  if (parts.length === 1 && Object.hasOwn(PERMISSIONS, first) && !isAppPage(first)) return { page: first as PlainPage };
  if (first !== 'apps' || !app || !page || parts.length > 3 || !isAppPage(page)) return { page: 'missing' };
  try {
    return { page, app: decodeURIComponent(app) };
  } catch {
    return { page: 'missing' }; // a stray % is not an app
  }
}

/** The parameters that follow the reader from page to page. */
const CARRIED = ['range', 'from', 'to', 'currency'];

export function carried(query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const name of CARRIED) {
    const value = query.get(name);
    if (value !== null) kept.set(name, value);
  }
  return kept;
}

/** The query with some parameters changed; null removes one. */
export function changed(query: URLSearchParams, changes: Record<string, string | null>): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) next.delete(name);
    else next.set(name, value);
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
