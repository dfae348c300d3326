import type { AppPage, PlainPage } from './route.ts';

/** The pages by the jobs that people come for. */

export interface Entry {
  page: AppPage | PlainPage;
  name: string;
  /** A page below it, on which it is still the current one. */
  covers?: AppPage | PlainPage;
}

export const GROUPS: readonly { name: string; entries: readonly Entry[] }[] = [
  {
    name: 'Analyse',
    entries: [
      { page: 'home', name: 'Home' },
      { page: 'campaigns', name: 'Campaigns' },
      { page: 'models', name: 'Models' },
      { page: 'paths', name: 'Paths' },
    ],
  },
  { name: 'Explore', entries: [{ page: 'conversions', name: 'Conversions', covers: 'journey' }] },
  {
    name: 'Set up',
    entries: [
      { page: 'start', name: 'Get started' },
      { page: 'links', name: 'Links' },
      { page: 'costs', name: 'Costs & currencies' },
      { page: 'rules', name: 'Attribution rules' },
      { page: 'keys', name: 'Keys & SDKs' },
      { page: 'postbacks', name: 'Postbacks' },
    ],
  },
  {
    name: 'Run',
    entries: [
      { page: 'health', name: 'Health' },
      { page: 'late', name: 'Late data' },
      { page: 'people', name: 'People & roles', covers: 'roles' },
      { page: 'signin', name: 'Sign-in' },
      { page: 'audit', name: 'Audit' },
      { page: 'apps', name: 'Apps' },
    ],
  },
];

/** What a phone shows at the bottom; the rest is behind "More". */
export const TABS: readonly string[] = ['home', 'campaigns', 'models', 'conversions'];
