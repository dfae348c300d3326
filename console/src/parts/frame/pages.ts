import type { Component } from 'svelte';
import type { AppPage, PlainPage } from '../../lib/route.ts';

type Loaded = Promise<{ default: Component }>;

/** Each page is a chunk of its own, so the first visit loads only what it shows. */
const PAGES: Record<AppPage | PlainPage, () => Loaded> = {
  home: () => import('../../pages/home/Home.svelte'),
  campaigns: () => import('../../pages/campaigns/Campaigns.svelte'),
  models: () => import('../../pages/models/Models.svelte'),
  paths: () => import('../../pages/paths/Paths.svelte'),
  conversions: () => import('../../pages/conversions/Conversions.svelte'),
  journey: () => import('../../pages/journey/Journey.svelte'),
  start: () => import('../../pages/start/Start.svelte'),
  links: () => import('../../pages/links/Links.svelte'),
  costs: () => import('../../pages/costs/Costs.svelte'),
  rules: () => import('../../pages/rules/Rules.svelte'),
  keys: () => import('../../pages/keys/Keys.svelte'),
  postbacks: () => import('../../pages/postbacks/Postbacks.svelte'),
  late: () => import('../../pages/late/Late.svelte'),
  health: () => import('../../pages/health/Health.svelte'),
  apps: () => import('../../pages/apps/Apps.svelte'),
  people: () => import('../../pages/people/People.svelte'),
  roles: () => import('../../pages/people/Roles.svelte'),
  signin: () => import('../../pages/signin/SignIn.svelte'),
  audit: () => import('../../pages/audit/Audit.svelte'),
  account: () => import('../../pages/account/Account.svelte'),
};

export function loadPage(page: keyof typeof PAGES): Loaded {
  return PAGES[page]();
}
