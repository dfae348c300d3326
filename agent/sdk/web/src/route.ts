import type { Store } from './store';

/** How long an answer to the question which agent is near is believed. */
const KEEP_MS = 3_600_000;
const TIMEOUT_MS = 5000;
const MAX_EDGES = 5;

/** Where messages go: to the agent of the options, or to the public one that answers first. */
export class Route {
  url: string;

  constructor(
    private readonly home: string,
    private readonly store: Store,
  ) {
    this.url = home;
  }

  /** Asks the agent for all that are public and each of them twice: the first time opens the connection, the second is a race. */
  async find(): Promise<void> {
    const [at, kept] = (this.store.get('edge') ?? '').split(' ');
    if (kept && Date.now() - Number(at) < KEEP_MS) {
      this.url = kept;
      return;
    }
    try {
      const { edges } = (await (await ask(this.home)).json()) as { edges: { url: string }[] };
      const asked = [...new Set([this.home, ...edges.map((edge) => edge.url)])].slice(0, MAX_EDGES);
      const open = await Promise.all(asked.map((url) => ask(url).then(({ ok }) => ok, () => false)));
      this.url = await Promise.race(asked.filter((_, i) => open[i]).map((url) => ask(url).then(() => url)));
      this.store.set('edge', Date.now() + ' ' + this.url);
    } catch {
      // the agent of the options will do
    }
  }

  /** Goes back to the agent of the options, after a failure. */
  lost(): void {
    if (this.url === this.home) return;
    this.url = this.home;
    this.store.set('edge', undefined);
  }
}

function ask(url: string): Promise<Response> {
  return fetch(url + '/v1/edges', { credentials: 'omit', cache: 'no-store', signal: AbortSignal.timeout?.(TIMEOUT_MS) ?? null });
}
