import { recall, remember } from './memory.ts';

/** What stands for the address of the agents until the reader has told it. */
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
 * Where the reader's agents listen. The server cannot know: it is the name that
 * the world knows them by. Told once, it is remembered in this browser.
 */
export class AgentAddress {
  #typed = $state(recall(KEY) ?? '');

  get typed(): string {
    return this.#typed;
  }

  set typed(text: string) {
    this.#typed = text;
    remember(KEY, text);
  }

  readonly known = $derived(origin(this.#typed) !== '');
  readonly url = $derived(origin(this.#typed) || AGENT_PLACEHOLDER);
}
