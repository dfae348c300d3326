import { createContext } from 'svelte';
import { knownZone, readRange, type Range } from './dates.ts';
import type { Api } from './api.ts';
import { recall, remember } from './memory.ts';
import { parseFilter } from './filters.ts';
import { isAnyModel, type AnyModel } from './models.ts';
import { COMPARISONS, type About, type Compare, type Scope } from './reports.ts';
import type { Router } from './router.svelte.ts';
import { carried, href, type AppPage } from './route.ts';
import type { App } from './shapes.ts';

const TICK_MS = 5_000;
const REFRESH_MS = 60_000;
const LAST_APP = 'last-app';

/** Whether the reader's browser knows it as money: an address can ask for anything. */
function isCurrency(code: string): boolean {
  return Intl.supportedValuesOf('currency').includes(code);
}

/** What the reader is looking at: the app and the days, both read from the address. */
export class Workspace {
  readonly api: Api;
  readonly router!: Router;
  /** Every app that the reader may see. */
  apps = $state.raw<App[]>([]);
  #now = $state(Date.now());
  /** The time of day, for "2 min ago"; it goes on by itself while a page is live. */
  clock = $state(Date.now());

  constructor(api: Api, router: Router, apps: App[]) {
    this.api = api;
    this.router = router;
    this.apps = apps;
  }

  readonly app = $derived.by(() => {
    const route = this.router.route;
    return 'app' in route ? this.apps.find((app) => app.id === route.app) : undefined;
  });
  readonly zone = $derived(knownZone(this.app?.timezone));
  // As text first: another filter in the address must not look like other days.
  readonly #rangeText = $derived(JSON.stringify(readRange(this.router.query, this.zone, this.#now)));
  readonly range = $derived(JSON.parse(this.#rangeText) as Range);
  readonly currency = $derived.by(() => {
    const asked = this.router.query.get('currency') ?? '';
    return /^[A-Z]{3}$/.test(asked) && isCurrency(asked) ? asked : this.app?.currency || 'USD';
  });
  readonly model = $derived.by((): AnyModel => {
    const asked = this.router.query.get('model');
    return isAnyModel(asked) ? asked : 'last_touch';
  });
  readonly filters = $derived(this.router.query.getAll('filter').filter((text) => parseFilter(text) !== null));
  /** The named event that reports are about; empty for the app's first. */
  readonly event = $derived(this.router.query.get('event') ?? '');
  readonly compare = $derived.by((): Compare => {
    const asked = this.router.query.get('compare');
    return COMPARISONS.find((one) => one === asked) ?? 'previous';
  });
  readonly fraud = $derived(this.router.query.get('fraud') === 'net' ? 'net' : 'gross');
  // As text again, so that a parameter that no report is about does not make all of them ask anew.
  readonly #aboutText = $derived(
    JSON.stringify({
      filters: this.filters,
      event: this.event,
      model: this.model,
      currency: this.currency,
      compare: this.compare,
      fraud: this.fraud,
    }),
  );
  readonly #about = $derived(JSON.parse(this.#aboutText) as About);

  get now(): number {
    return this.#now;
  }

  /**
   * The scope of every report. Pages are drawn only when there is an app; one
   * that is just being left keeps the scope it had, and so asks nothing more.
   */
  readonly scope = $derived.by((): Scope => {
    if (this.app) this.#left = { app: this.app, zone: this.zone, range: this.range, asked: this.#now, ...this.#about };
    if (!this.#left) throw new Error('a report was asked for without an app');
    return this.#left;
  });
  #left: Scope | undefined;

  /** The app of the last visit, or the first there is. */
  lastApp(): App | undefined {
    const last = recall(LAST_APP);
    return this.apps.find(({ id }) => id === last) ?? this.apps[0];
  }

  visited(app: App): void {
    remember(LAST_APP, app.id);
  }

  /** Takes note of the time, which makes every report ask again. */
  refresh(): void {
    this.#now = this.clock = Date.now();
  }

  /** Keeps a page that somebody looks at up to date, until the returned function is called. */
  live(): () => void {
    const timer = setInterval(() => {
      if (document.visibilityState !== 'visible') return;
      this.clock = Date.now();
      if (this.clock - this.#now >= REFRESH_MS) this.refresh();
    }, TICK_MS);
    return () => clearInterval(timer);
  }

  /** The address of a page of the current app, with the days and the currency carried over. */
  link(page: AppPage, more: Record<string, string> = {}): string {
    const query = carried(this.router.query);
    for (const [name, value] of Object.entries(more)) query.set(name, value);
    return href({ page, app: this.app?.id ?? '' }, query);
  }
}

export const [getWorkspace, setWorkspace] = createContext<Workspace>();
