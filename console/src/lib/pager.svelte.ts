import { untrack } from 'svelte';
import { isAbort } from './api.ts';
import { Loader } from './loader.svelte.ts';
import type { Page } from './shapes.ts';

/** A list that grows page by page behind a cursor. */
export class Pager<T> {
  readonly first = new Loader<Page<T>>();
  #rest = $state.raw<T[]>([]);
  #cursor = $state<string | null>();
  #ask: ((cursor: string | null, signal: AbortSignal) => Promise<Page<T>>) | undefined;
  #signal: AbortSignal | undefined;
  more = $state<'idle' | 'loading' | 'failed'>('idle');

  readonly rows = $derived([...(this.first.value?.data ?? []), ...this.#rest]);
  readonly cursor = $derived(this.#cursor === undefined ? (this.first.value?.next_cursor ?? null) : this.#cursor);

  /** Starts over; use it in an effect, like Loader.load. */
  start(ask: (cursor: string | null, signal: AbortSignal) => Promise<Page<T>>): () => void {
    const controller = new AbortController();
    this.#ask = ask;
    this.#signal = controller.signal;
    const stop = this.first.load(async (signal) => {
      const page = await ask(null, signal);
      // The further pages belong to the old question; they leave with its first page.
      if (!signal.aborted) this.#forget();
      return page;
    });
    return () => {
      controller.abort();
      stop();
    };
  }

  async next(): Promise<void> {
    const { cursor } = this;
    const signal = this.#signal;
    if (!cursor || !this.#ask || !signal || this.more === 'loading') return;
    this.more = 'loading';
    try {
      const page = await this.#ask(cursor, signal);
      if (signal.aborted) return;
      this.#rest = [...this.#rest, ...page.data];
      this.#cursor = page.next_cursor ?? null;
      this.more = 'idle';
    } catch (error) {
      if (!signal.aborted && !isAbort(error)) this.more = 'failed';
    }
  }

  #forget(): void {
    untrack(() => {
      this.#rest = [];
      this.#cursor = undefined;
      this.more = 'idle';
    });
  }
}
