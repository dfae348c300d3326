import type { Entry, Queue } from './queue';
import type { Route } from './route';

export const MAX_BATCH = 100;
export const MAX_BATCH_BYTES = 450_000;

/** Browsers keep requests of a page that is gone up to 64 KiB in all. */
const MAX_PARTING_BYTES = 60_000;
const TIMEOUT_MS = 20_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const LONGEST_ORDERED_MS = 300_000;

/** What was not accepted and will not be sent again, and why. */
export interface Fault {
  /** `queue_full`, `too_large`, `unusable`, `refused`, or the code that the agent gave. */
  code: string;
  reason: string;
  messages: unknown[];
}

interface Rejection {
  index: number;
  code: string;
  reason: string;
}

type Verdict = { kind: 'sent'; rejected: Rejection[] } | { kind: 'again'; afterMs: number } | { kind: 'never'; status: number; reason: string };

/** Sends a queue to an agent, one batch at a time, until every message was answered. */
export class Sender {
  private pauses = 0; // since the last success
  private heldUntil = 0; // the agent asked for it
  private limit = MAX_BATCH;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: Promise<boolean> | undefined;

  constructor(
    private readonly route: Route,
    private readonly writeKey: string,
    private readonly queue: Queue,
    private readonly report: (fault: Fault) => void,
  ) {}

  /** Sends in so many milliseconds, unless a pause ends later or something is under way. */
  schedule(afterMs: number): void {
    if (this.running || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.flush();
    }, Math.max(afterMs, this.heldUntil - Date.now()));
  }

  /** Sends now, unless the agent asked to wait. Says whether the queue is empty. */
  flush(): Promise<boolean> {
    if (this.running) return this.running;
    if (Date.now() < this.heldUntil) {
      this.schedule(0);
      return Promise.resolve(false);
    }
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running = this.drain().finally(() => {
      this.running = undefined;
      this.goOn();
    });
    return this.running;
  }

  /** Sends what it can while the page goes away. What stays unanswered stays in the queue. */
  part(): void {
    if (Date.now() < this.heldUntil) return;
    const batch = this.queue.take(MAX_BATCH, MAX_PARTING_BYTES);
    if (batch.length === 0) return;
    if ('keepalive' in Request.prototype) void this.send(batch).then(() => this.goOn());
    else {
      navigator.sendBeacon?.(this.url(), this.body(batch));
      land(batch);
    }
  }

  private goOn(): void {
    if (this.queue.waiting) this.schedule(this.pauses ? pause(this.pauses - 1) : 0);
  }

  private async drain(): Promise<boolean> {
    for (;;) {
      const batch = this.queue.take(this.limit, MAX_BATCH_BYTES);
      if (batch.length === 0) return this.queue.size === 0;
      if (!(await this.send(batch))) return false;
    }
  }

  /** Sends a batch and says whether to go on. */
  private async send(batch: Entry[]): Promise<boolean> {
    const verdict = await this.post(batch);
    land(batch);
    if (verdict.kind === 'again') {
      this.pauses++;
      if (verdict.afterMs > 0) this.heldUntil = Date.now() + verdict.afterMs * (1 + Math.random() / 10);
      this.route.lost();
      this.queue.save();
      return false;
    }
    this.pauses = 0;
    if (verdict.kind === 'never' && verdict.status === 413 && batch.length > 1) {
      this.limit = Math.ceil(batch.length / 2);
      return true;
    }
    this.limit = MAX_BATCH;
    this.queue.forget(batch);
    if (verdict.kind === 'never') this.report({ code: 'refused', reason: verdict.reason, messages: batch.map(message) });
    else
      for (const { index, code, reason } of verdict.rejected) {
        const entry = batch[index];
        if (entry) this.report({ code, reason, messages: [message(entry)] });
      }
    return true;
  }

  private async post(batch: Entry[]): Promise<Verdict> {
    const body = this.body(batch);
    const bytes = batch.reduce((sum, entry) => sum + entry.bytes + 1, 0);
    try {
      // Without headers of ours there is no preflight: the key is in the body.
      const response = await fetch(this.url(), {
        method: 'POST',
        body,
        credentials: 'omit',
        keepalive: bytes <= MAX_PARTING_BYTES,
        signal: AbortSignal.timeout?.(TIMEOUT_MS) ?? null,
      });
      const { status } = response;
      if (status === 408 || status === 429 || status >= 500) {
        const seconds = Number(response.headers.get('Retry-After'));
        return { kind: 'again', afterMs: Math.min(seconds > 0 ? seconds * 1000 : 0, LONGEST_ORDERED_MS) };
      }
      const text = await response.text();
      if (status >= 400) return { kind: 'never', status, reason: `${status} ${text}` };
      const answer = JSON.parse(text) as { success?: boolean; rejected?: Rejection[] };
      // Whatever else answers 200, a hotel's login page say, is not an agent.
      return answer.success === true ? { kind: 'sent', rejected: answer.rejected ?? [] } : { kind: 'again', afterMs: 0 };
    } catch {
      return { kind: 'again', afterMs: 0 };
    }
  }

  private url(): string {
    return this.route.url + '/v1/batch';
  }

  private body(batch: Entry[]): string {
    return `{"writeKey":${JSON.stringify(this.writeKey)},"sentAt":"${new Date().toISOString()}","batch":[${batch.map((e) => e.json).join()}]}`;
  }
}

function land(batch: Entry[]): void {
  for (const entry of batch) entry.flying = false;
}

function message(entry: Entry): unknown {
  return JSON.parse(entry.json);
}

/** Between a half and the whole of a pause that doubles: pages that failed together do not return together. */
function pause(before: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** before, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
}
