import { vi } from 'vitest';
import type { Options } from '../src/client';
import { Client } from '../src/client';

/** What localStorage holds; a page made with the same device sees what others left. */
export type Device = Map<string, string>;

export interface Sent {
  host: string;
  writeKey: string;
  sentAt: string;
  batch: Record<string, any>[];
  keepalive: boolean;
  at: number;
}

type Answer = Response | Error | Promise<Response>;

export const HOST = 'https://events.example';
export const ok = (rejected?: object[]): Response => new Response(JSON.stringify({ success: true, ...(rejected && { rejected }) }));
export const status = (code: number, headers: Record<string, string> = {}): Response => new Response('{"success":false}', { status: code, headers });

/** A page in a browser, as far as the SDK looks at it, and an agent that gives the answers of a list and then 200. */
export class Page {
  readonly sent: Sent[] = [];
  /** The public agents, and how many milliseconds each takes to answer; more than an hour is never. */
  edges: Record<string, number> = {};
  readonly asked: string[] = [];
  readonly faults: { code: string; messages: unknown[] }[] = [];
  private readonly listeners = new Map<string, ((event: unknown) => void)[]>();

  constructor(
    readonly device: Device = new Map(),
    readonly answers: Answer[] = [],
    address = 'https://shop.example/shoes?utm_source=news',
  ) {
    vi.stubGlobal('localStorage', storage(device));
    vi.stubGlobal('location', new URL(address));
    vi.stubGlobal('document', { title: 'Shoes', referrer: 'https://search.example/?q=shoes', visibilityState: 'hidden' });
    vi.stubGlobal('navigator', { language: 'de-AT', userAgent: 'Test/1' });
    vi.stubGlobal('addEventListener', (name: string, listener: (event: unknown) => void) => {
      this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
    });
    vi.stubGlobal('fetch', (url: string, init: RequestInit) => this.answer(url, init));
  }

  client(options: Partial<Options> = {}): Client {
    return new Client({ writeKey: 'key', host: HOST, onFault: (fault) => this.faults.push(fault), ...options });
  }

  fire(name: string, event: object = {}): void {
    for (const listener of this.listeners.get(name) ?? []) listener(event);
  }

  /** The messages that an agent has acknowledged or seen, in order. */
  get messages(): Record<string, any>[] {
    return this.sent.flatMap((body) => body.batch);
  }

  private async edge(host: string): Promise<Response> {
    this.asked.push(host);
    const ms = this.edges[host] ?? 0;
    if (ms > 3_600_000) throw new TypeError('Failed to fetch');
    await new Promise((resolve) => setTimeout(resolve, ms));
    return Response.json({ region: 'eu', edges: Object.keys(this.edges).map((url) => ({ url, region: 'eu' })) });
  }

  private async answer(url: string, init: RequestInit): Promise<Response> {
    const host = new URL(url).origin;
    if (url === host + '/v1/edges') return this.edge(host);
    if ((host !== HOST && !(host in this.edges)) || url !== host + '/v1/batch' || init.headers !== undefined) throw new Error(`a preflight or another path: ${url}`);
    this.sent.push({ host, ...JSON.parse(init.body as string), keepalive: init.keepalive, at: Date.now() });
    const answer = this.answers.shift() ?? ok();
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

function storage(device: Device): Storage {
  const methods = {
    getItem: (key: string) => device.get(key) ?? null,
    setItem: (key: string, value: string) => void device.set(key, value),
    removeItem: (key: string) => void device.delete(key),
  };
  return new Proxy(methods, { ownKeys: () => [...device.keys()], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }) }) as unknown as Storage;
}

/** Lets everything happen that is due within so many milliseconds. */
export const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
