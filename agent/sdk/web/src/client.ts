import { arrival, visit } from './context';
import { Queue } from './queue';
import { Route } from './route';
import { type Fault, MAX_BATCH, Sender } from './sender';
import { Store } from './store';

/** Bytes of one message; the agent refuses larger ones. */
const MAX_MESSAGE = 32_768;
const FLUSH_AFTER_MS = 1000;

export type Properties = Record<string, unknown>;

/** What the person permits. A purpose that is left out was not asked for. */
export interface Consent {
  attribution?: boolean;
  analytics?: boolean;
  ads?: boolean;
}

export interface Options {
  /** The app's client key. */
  writeKey: string;
  /** Where the agent is, as `https://events.example.com`. */
  host: string;
  /** Until the person was asked, pass what holds without an answer. Refused analytics means that nothing is kept on the device. */
  consent?: Consent;
  /** Asks the host which agents are public, and sends to the one that answers first. The host stays the one to turn to. */
  nearest?: boolean;
  /** How long a call waits for others, in milliseconds; 1000 by default. */
  flushAfterMs?: number;
  /** Is told what will not be delivered, and why. */
  onFault?: (fault: Fault) => void;
}

/** What one call may say besides. */
export interface Extra {
  timestamp?: Date | string;
  context?: Properties;
}

/** One app on one page. Every call returns at once and says whether it was taken. */
export class Client {
  private readonly store: Store;
  private readonly queue: Queue;
  private readonly sender: Sender;
  private readonly options: Options;
  private permissions: Consent;
  /** The click that brought somebody here, until a page has told it: the page may have left the address by then. */
  private arrival = arrival();

  constructor(options: Options) {
    if (!options.writeKey || !/^https?:\/\//.test(options.host ?? '')) {
      throw new Error('unmogrowp: init needs a writeKey and a host such as "https://events.example.com"');
    }
    this.options = options;
    this.permissions = { ...options.consent };
    this.store = new Store(`unmogrowp.${options.writeKey}.`, this.permissions.analytics !== false);
    this.queue = new Queue(this.store, uuid());
    const route = new Route(options.host.replace(/\/+$/, ''), this.store);
    if (options.nearest) void route.find();
    this.sender = new Sender(route, options.writeKey, this.queue, (fault) => this.fault(fault));
    addEventListener('pagehide', () => this.leave());
    addEventListener('pageshow', (event) => event.persisted && this.resume());
    addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && this.sender.part());
    addEventListener('online', () => void this.sender.flush());
    void this.adopt();
  }

  /** Something the person did. `revenue` and `currency` are the amount of an order. */
  track(event: string, properties: Properties = {}, extra?: Extra): boolean {
    return this.enqueue({ type: 'track', event, properties }, extra);
  }

  /** A page that the person sees. */
  page(name?: string, properties: Properties = {}, extra?: Extra): boolean {
    const { page, clickId = this.permissions.attribution === false ? undefined : this.arrival } = visit(this.permissions);
    this.arrival = undefined;
    return this.enqueue({ type: 'page', name, properties: { ...page, ...(clickId && { click_id: clickId }), ...properties } }, extra);
  }

  /** Who the person is, from now on. Another person on the same device gets a new anonymous id. */
  identify(userId: string, traits: Properties = {}, extra?: Extra): boolean {
    const before = this.store.get('user');
    if (before !== undefined && before !== userId) this.reset();
    this.store.set('user', userId);
    return this.enqueue({ type: 'identify', traits }, extra);
  }

  /** To what company or team the person belongs. */
  group(groupId: string, traits: Properties = {}, extra?: Extra): boolean {
    return this.enqueue({ type: 'group', groupId, traits }, extra);
  }

  /** A new id of the same person. */
  alias(userId: string, previousId: string = this.store.get('user') ?? this.anonymousId, extra?: Extra): boolean {
    this.store.set('user', userId);
    return this.enqueue({ type: 'alias', previousId }, extra);
  }

  /** Forgets the person, at logout say. What waits is still sent. */
  reset(): void {
    this.store.set('user', undefined);
    this.store.set('anonymous', undefined);
  }

  /** What the person permits from now on. Purposes that are left out keep their answer. */
  consent(consent: Consent): void {
    this.permissions = { ...this.permissions, ...consent };
    const kept = this.permissions.analytics !== false;
    this.store.permit(kept);
    if (kept) this.queue.save();
  }

  /** Sends now. Says whether everything was answered. */
  flush(): Promise<boolean> {
    return this.sender.flush();
  }

  /** The id of this browser until the person is known. */
  get anonymousId(): string {
    let id = this.store.get('anonymous');
    if (id === undefined) this.store.set('anonymous', (id = uuid()));
    return id;
  }

  private enqueue(call: Properties, extra: Extra = {}): boolean {
    const { attribution, analytics, ads } = this.permissions;
    if (attribution === false && analytics === false && ads === false) return false;
    const message = {
      ...call,
      messageId: uuid(),
      anonymousId: this.anonymousId,
      userId: this.store.get('user'),
      timestamp: extra.timestamp ?? new Date(),
      context: { ...visit(this.permissions).context, ...extra.context },
    };
    let json: string;
    try {
      json = JSON.stringify(message);
    } catch (error) {
      return this.fault({ code: 'unusable', reason: String(error), messages: [message] });
    }
    if (new Blob([json]).size > MAX_MESSAGE) {
      return this.fault({ code: 'too_large', reason: `a message has at most ${MAX_MESSAGE} bytes`, messages: [message] });
    }
    if (!this.queue.add(json)) {
      return this.fault({ code: 'queue_full', reason: 'too much waits for the agent', messages: [message] });
    }
    this.sender.schedule(this.queue.size < MAX_BATCH ? (this.options.flushAfterMs ?? FLUSH_AFTER_MS) : 0);
    return true;
  }

  private fault(fault: Fault): false {
    try {
      this.options.onFault?.(fault);
    } catch {
      // the page's own affair
    }
    return false;
  }

  private leave(): void {
    this.queue.leave();
    this.sender.part();
  }

  private resume(): void {
    this.queue.resume();
    void this.adopt();
  }

  private async adopt(): Promise<void> {
    await this.queue.adopt();
    if (this.queue.size > 0) this.sender.schedule(0);
  }
}

/** A random UUID, also on pages without TLS, where browsers do not make them. */
function uuid(): string {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 15) | 64;
  bytes[8] = (bytes[8]! & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
