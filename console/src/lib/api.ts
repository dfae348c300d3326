import type { LoginAnswer, User } from './shapes.ts';

/**
 * The one place that talks to the server. The access token lives in this object
 * and nowhere else; the refresh token is a cookie that scripts cannot read.
 */

const BASE = '/api/v1/';
const TIMEOUT_MS = 30_000;

export type Query = Record<string, string | number | readonly string[] | null | undefined>;

/** An answer of the server that is not a success, or no answer at all (status 0). */
export class Problem extends Error {
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
  readonly retryAfterSeconds: number;

  constructor(status: number, title: string, rest: { detail?: string; code?: string; requestId?: string; retryAfterSeconds?: number } = {}) {
    super(title);
    this.name = 'Problem';
    this.status = status;
    this.detail = rest.detail ?? '';
    this.code = rest.code ?? '';
    this.requestId = rest.requestId ?? '';
    this.retryAfterSeconds = rest.retryAfterSeconds ?? 0;
  }
}

export interface Credentials {
  email: string;
  password: string;
  totp?: string;
}

interface Request {
  method: string;
  path: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

export class Api {
  readonly #fetch: typeof fetch;
  readonly #onSignedOut: () => void;
  #token = '';
  #refreshing: Promise<LoginAnswer | null> | null = null;

  constructor(onSignedOut: () => void, fetcher: typeof fetch = (input, init) => fetch(input, init)) {
    this.#onSignedOut = onSignedOut;
    this.#fetch = fetcher;
  }

  async get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
    return this.#authorised<T>({ method: 'GET', path: path + queryText(query), signal });
  }

  /** Asks for a change. It is never given up half way: whoever leaves the page does not undo it. */
  async send<T = void>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<T> {
    return this.#authorised<T>({ method, path, body });
  }

  async login(credentials: Credentials): Promise<User> {
    const answer = await this.#answer<LoginAnswer>(await this.#send({ method: 'POST', path: 'auth/login', body: credentials }));
    return this.#signedIn(answer);
  }

  /** Continues the session of an earlier visit; null if there is none. */
  async resume(): Promise<User | null> {
    const answer = await this.#refresh();
    return answer && this.#signedIn(answer);
  }

  async logout(): Promise<void> {
    try {
      await this.#send({ method: 'POST', path: 'auth/logout' });
    } finally {
      this.#token = '';
    }
  }

  async #signedIn(answer: LoginAnswer): Promise<User> {
    this.#token = answer.access_token;
    return answer.user ?? this.get<User>('me');
  }

  /** Sends with the token; a refused token is renewed once, and then the session is over. */
  async #authorised<T>(request: Request): Promise<T> {
    const token = this.#token;
    const response = await this.#send(request);
    if (response.status !== 401) return this.#answer<T>(response);
    // Another request may have renewed the token while this one was under way.
    if (token === this.#token) {
      const renewed = await this.#refresh();
      if (!renewed) return this.#signOut(response);
      this.#token = renewed.access_token;
    }
    const again = await this.#send(request);
    return again.status === 401 ? this.#signOut(again) : this.#answer<T>(again);
  }

  async #signOut(response: Response): Promise<never> {
    this.#token = '';
    this.#onSignedOut();
    throw await problemOf(response);
  }

  /** One refresh at a time, however many requests were refused: the refresh token can be used once. */
  #refresh(): Promise<LoginAnswer | null> {
    this.#refreshing ??= this.#refreshNow().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refreshNow(): Promise<LoginAnswer | null> {
    const response = await this.#send({ method: 'POST', path: 'auth/refresh' });
    if (response.status === 401 || response.status === 403) return null;
    return this.#answer<LoginAnswer>(response);
  }

  async #send({ method, path, body, signal }: Request): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (method !== 'GET') headers['Content-Type'] = 'application/json';
    if (this.#token && !path.startsWith('auth/')) headers.Authorization = `Bearer ${this.#token}`;
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    try {
      return await this.#fetch(BASE + path, {
        method,
        headers,
        credentials: 'same-origin',
        cache: 'no-store',
        redirect: 'error',
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw unanswered(error, timeout, signal);
    }
  }

  async #answer<T>(response: Response): Promise<T> {
    if (!response.ok) throw await problemOf(response);
    if (response.status === 204) return undefined as T;
    try {
      return (await response[/csv|ndjson/.test(response.headers.get('Content-Type') ?? '') ? 'blob' : 'json']()) as T;
    } catch (error) {
      if (isAbort(error)) throw error;
      throw new Problem(response.status, 'The answer could not be read', { detail: 'The server sent something that is not JSON.' });
    }
  }
}

/** True for the error of a request that was given up on purpose. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

function unanswered(error: unknown, timeout: AbortSignal, signal?: AbortSignal): unknown {
  if (signal?.aborted) return new DOMException('The reader went elsewhere.', 'AbortError');
  if (timeout.aborted) {
    return new Problem(0, 'The server took too long', { detail: `No answer within ${TIMEOUT_MS / 1000} seconds. Try again, or choose fewer days.` });
  }
  return new Problem(0, 'The server cannot be reached', {
    detail: 'Check the network connection, then try again.',
    code: String(error).slice(0, 120),
  });
}

async function problemOf(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = await response.json();
    if (parsed && typeof parsed === 'object') body = parsed as Record<string, unknown>;
  } catch {
    // A proxy's page of HTML: the status has to do.
  }
  const text = (name: string) => (typeof body[name] === 'string' ? body[name] : '');
  return new Problem(response.status, text('title') || `The server answered ${response.status}`, {
    detail: text('detail'),
    code: text('code'),
    requestId: text('request_id'),
    retryAfterSeconds: Number(response.headers.get('Retry-After')) || 0,
  });
}

function queryText(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== '') params.append(name, String(one));
    }
  }
  const text = params.toString();
  return text && `?${text}`;
}
