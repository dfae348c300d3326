import type { Component } from 'svelte';
import type { Route } from '../lib/route.ts';

type Loaded = Promise<{ default: Component }>;

/** Each page is a chunk of its own, so the first visit loads only what it shows. */
const PAGES: Record<Exclude<Route['page'], 'home' | 'missing'>, () => Loaded> = {
  overview: () => import('../pages/Overview.svelte'),
  models: () => import('../pages/Models.svelte'),
  conversions: () => import('../pages/Conversions.svelte'),
  journey: () => import('../pages/Journey.svelte'),
  cluster: () => import('../pages/Cluster.svelte'),
};

export function loadPage(page: keyof typeof PAGES): Loaded {
  return PAGES[page]();
}
