/** Which page a path names, and the way back. Pure: the browser's history is in router.svelte.ts. */

export type AppPage = 'overview' | 'models' | 'conversions' | 'journey';

export type Route =
  | { page: 'home' }
  | { page: AppPage; app: string }
  | { page: 'cluster' }
  | { page: 'missing' };

const APP_PAGES: readonly string[] = ['overview', 'models', 'conversions', 'journey'] satisfies AppPage[];

/** What each page needs; the server decides, the console only does not offer what it would refuse. */
export const PERMISSIONS: Record<Exclude<Route['page'], 'home' | 'missing'>, string> = {
  overview: 'reports.read',
  models: 'reports.read',
  conversions: 'raw.read',
  journey: 'raw.read',
  cluster: 'agents.read',
};

export function parseRoute(path: string): Route {
  const parts = path.split('/').filter(Boolean);
  if (parts.length === 0 || (parts.length === 1 && parts[0] === 'login')) return { page: 'home' };
  if (parts.length === 1 && parts[0] === 'cluster') return { page: 'cluster' };
  const [first, app, page] = parts;
  if (first !== 'apps' || !app || !page || parts.length > 3 || !APP_PAGES.includes(page)) return { page: 'missing' };
  try {
    return { page: page as AppPage, app: decodeURIComponent(app) };
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
  return route.page === 'cluster' ? '/cluster' : '/';
}

export function href(route: Route, query?: URLSearchParams): string {
  const text = query?.toString();
  return pathOf(route) + (text ? `?${text}` : '');
}
