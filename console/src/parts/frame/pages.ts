import type { Component } from 'svelte';
import type { AppPage, PlainPage } from '../../lib/route.ts';

type Loaded = Promise<{ default: Component }>;

/** Each page is a chunk of its own, so the first visit loads only what it shows. */
const PAGES: Record<AppPage | PlainPage, () => Loaded> = {
  overview: () => import('../../pages/home/Overview.svelte'),
  models: () => import('../../pages/models/Models.svelte'),
  conversions: () => import('../../pages/conversions/Conversions.svelte'),
  journey: () => import('../../pages/journey/Journey.svelte'),
  links: () => import('../../pages/links/Links.svelte'),
  attribution: () => import('../../pages/rules/Attribution.svelte'),
  keys: () => import('../../pages/keys/Keys.svelte'),
  apps: () => import('../../pages/apps/Apps.svelte'),
  people: () => import('../../pages/people/People.svelte'),
  roles: () => import('../../pages/people/Roles.svelte'),
  audit: () => import('../../pages/audit/Audit.svelte'),
  account: () => import('../../pages/account/Account.svelte'),
  cluster: () => import('../../pages/health/Cluster.svelte'),
};

export function loadPage(page: keyof typeof PAGES): Loaded {
  return PAGES[page]();
}
