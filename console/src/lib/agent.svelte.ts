import type { Api } from './api.ts';
import { recall, remember } from './memory.ts';
import type { Agent, Page } from './shapes.ts';

/** What stands for the address of the agents until it is known. */
export const AGENT_PLACEHOLDER = 'https://agent.example.com';

const KEY = 'agent-address';

/** The origin of an address as people type it; empty if it is none. */
export function origin(text: string): string {
  const typed = text.trim();
  if (!typed) return '';
  try {
    const url = new URL(/^[a-z]+:\/\//i.test(typed) ? typed : `https://${typed}`);
    return /^https?:$/.test(url.protocol) ? url.origin : '';
  } catch {
    return '';
  }
}

/**
 * Where the reader's agents listen: what Health says of them, for readers who may see it,
 * or what the reader types. Told once, it is remembered in this browser.
 */
export class AgentAddress {
  #typed = $state(recall(KEY) ?? '');
  #told = $state('');

  get typed(): string {
    return this.#typed;
  }

  set typed(text: string) {
    this.#typed = text;
    remember(KEY, text);
  }

  /** Asks the server for the address of an agent; use it in an effect, where the reader may see agents. A failure costs nothing. */
  ask(api: Api): () => void {
    const controller = new AbortController();
    api.get<Page<Agent>>('agents', {}, controller.signal).then(
      ({ data }) => (this.#told = origin(data.find(({ url, state }) => url && state !== 'revoked')?.url ?? '')),
      () => undefined,
    );
    return () => controller.abort();
  }

  readonly told = $derived(this.#told);
  readonly known = $derived(origin(this.#typed) !== '' || this.#told !== '');
  readonly url = $derived(origin(this.#typed) || this.#told || AGENT_PLACEHOLDER);
}
