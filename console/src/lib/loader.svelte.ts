import { untrack } from 'svelte';
import { isAbort } from './api.ts';

/**
 * One question to the server and its answer. While a new answer is awaited the
 * old one stays, so that the page does not flicker; what was left is aborted.
 *
 * Use it in an effect, which then asks again whenever something that `ask`
 * reads has changed:  $effect(() => report.load((signal) => …));
 */
export class Loader<T> {
  value = $state.raw<T>();
  error = $state.raw<unknown>();
  loading = $state(true);

  load(ask: (signal: AbortSignal) => Promise<T>): () => void {
    const controller = new AbortController();
    const answer = ask(controller.signal);
    untrack(() => {
      this.loading = true;
    });
    void this.#settle(answer, controller.signal);
    return () => controller.abort();
  }

  async #settle(answer: Promise<T>, signal: AbortSignal): Promise<void> {
    try {
      const value = await answer;
      if (signal.aborted) return;
      this.value = value;
      this.error = undefined;
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      this.value = undefined;
      this.error = error;
    }
    this.loading = false;
  }
}
