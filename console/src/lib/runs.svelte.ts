import { Loader } from './loader.svelte.ts';
import type { Page } from './shapes.ts';
import { unfinished, type Run } from './studies.ts';

const POLL_MS = 1500;

/** The runs of a kind, asked for again and again while one of them is not finished. */
export class Runs<T extends Run<unknown, unknown>> {
  readonly list = new Loader<Page<T>>();
  #again = $state(0);

  /** Use it in an effect, like Loader.load. */
  load(ask: (signal: AbortSignal) => Promise<Page<T>>): () => void {
    void this.#again;
    return this.list.load(ask);
  }

  /** Use it in an effect of its own: it asks again while there is something to wait for. */
  watch(): (() => void) | undefined {
    if (!this.list.value?.data.some(unfinished)) return undefined;
    const timer = setTimeout(() => this.refresh(), POLL_MS);
    return () => clearTimeout(timer);
  }

  refresh(): void {
    this.#again++;
  }
}
