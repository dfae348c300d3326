import type { Store } from './store';

/** Bounds of what waits on one page. A call over them is refused: the oldest calls say where the person came from. */
export const MAX_WAITING = 500;
export const MAX_WAITING_BYTES = 2_000_000;

/** A queue that its page has not touched for so long belongs to nobody. Longer than any pause between two attempts. */
const STALE_MS = 600_000;

/** One message as it will be sent, from the call until its answer. */
export interface Entry {
  readonly json: string;
  readonly bytes: number;
  flying: boolean;
}

const encoder = new TextEncoder();

/**
 * The messages of one page that no agent has acknowledged yet, oldest first.
 * It is kept under a name of its own, so that two tabs never write the same
 * text; what a closed or crashed page left is taken over by the next one.
 */
export class Queue {
  private entries: Entry[] = [];
  private bytes = 0;
  private saving = false;
  private written = false;
  private left = false; // the page is gone, or hidden where it may never come back from
  private readonly name: string;

  constructor(
    private readonly store: Store,
    page: string,
  ) {
    this.name = 'queue.' + page;
  }

  get size(): number {
    return this.entries.length;
  }

  /** Whether some message is not on its way. */
  get waiting(): boolean {
    return this.entries.some((entry) => !entry.flying);
  }

  /** Adds a message unless the queue is full. It is on the device by the end of the running task. */
  add(json: string): boolean {
    const entry = { json, bytes: encoder.encode(json).length, flying: false };
    if (this.size >= MAX_WAITING || this.bytes + entry.bytes > MAX_WAITING_BYTES) return false;
    this.entries.push(entry);
    this.bytes += entry.bytes;
    if (!this.saving) {
      this.saving = true;
      queueMicrotask(() => this.save());
    }
    return true;
  }

  /** The oldest messages that are not on their way, within these bounds. */
  take(count: number, bytes: number): Entry[] {
    const batch: Entry[] = [];
    for (const entry of this.entries) {
      if (entry.flying) continue;
      bytes -= entry.bytes + 1;
      if (batch.length === count || bytes < 0) break;
      entry.flying = true;
      batch.push(entry);
    }
    return batch;
  }

  /** Forgets messages that were answered. */
  forget(batch: Entry[]): void {
    const answered = new Set(batch);
    this.entries = this.entries.filter((entry) => !answered.has(entry));
    this.bytes = this.entries.reduce((sum, entry) => sum + entry.bytes, 0);
    this.save();
  }

  /** Says on the device that the queue is left behind and may be taken over at once. */
  leave(): void {
    this.left = true;
    this.save();
  }

  /** Writes the queue to the device. */
  save(): void {
    this.saving = false;
    if (this.size === 0) this.store.remove(this.name);
    this.written = this.size > 0 && this.store.write(this.name, `{"at":${this.left ? 0 : Date.now()},"messages":[${this.entries.map((e) => e.json).join()}]}`);
  }

  /** Goes on after the page was left and shown again: another page may have taken its messages. */
  resume(): void {
    this.left = false;
    if (this.written && this.store.get(this.name) === undefined) {
      this.entries = [];
      this.bytes = 0;
    }
    this.save();
  }

  /**
   * Takes over what other pages left. Tabs take turns where the browser has
   * locks; where not, two may send the same message, which counts once.
   */
  async adopt(): Promise<void> {
    if (!this.store.permitted) return;
    try {
      await navigator.locks.request('unmogrowp', () => this.adoptAll());
    } catch {
      this.adoptAll();
    }
  }

  private adoptAll(): void {
    for (const name of this.store.names('queue.')) {
      if (name === this.name) continue;
      const left = parse(this.store.get(name));
      if (left && left.at > Date.now() - STALE_MS) continue;
      const room = MAX_WAITING - this.size;
      if (left && left.messages.length > room) continue; // another page, or this one later
      const adopted = left ? left.messages.filter((message) => this.add(JSON.stringify(message))) : [];
      if (left && adopted.length < left.messages.length) continue; // stays there; sent twice, counted once
      this.save(); // before the other copy goes
      this.store.remove(name);
    }
  }
}

interface Left {
  at: number;
  messages: unknown[];
}

/** Reads a queue of another page, undefined if it is not one. */
function parse(text: string | undefined): Left | undefined {
  try {
    const left = JSON.parse(text ?? '') as Left;
    return Array.isArray(left.messages) ? left : undefined;
  } catch {
    return undefined;
  }
}
