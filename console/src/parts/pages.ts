import type { Component } from 'svelte';
import type { AppPage, PlainPage } from '../lib/route.ts';

type Loaded = Promise<{ default: Component }>;

/** Each page is a chunk of its own, so the first visit loads only what it shows. */
const PAGES: Record<AppPage | PlainPage, () => Loaded> = {
  overview: () => import('../pages/Overview.svelte'),
  models: () => import('../pages/Models.svelte'),
  conversions: () => import('../pages/Conversions.svelte'),
  journey: () => import('../pages/Journey.svelte'),
  links: () => import('../pages/Links.svelte'),
  attribution: () => import('../pages/Attribution.svelte'),
  keys: () => import('../pages/Keys.svelte'),
  apps: () => import('../pages/Apps.svelte'),
  people: () => import('../pages/People.svelte'),
  roles: () => import('../pages/Roles.svelte'),
  audit: () => import('../pages/Audit.svelte'),
  account: () => import('../pages/Account.svelte'),
  cluster: () => import('../pages/Cluster.svelte'),
};

export function loadPage(page: keyof typeof PAGES): Loaded {
  return PAGES[page]();
}
