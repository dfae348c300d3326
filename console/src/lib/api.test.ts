import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Api, Problem } from './api.ts';

/** A server in a function: sessions whose access tokens can be ended, and a log of what was asked. */
class Server {
  asked: string[] = [];
  valid = '';
  refreshable = true;
  refreshes = 0;
  down = false;
  #made = 0;

  fetch: typeof fetch = async (input, init) => {
    const path = String(input).replace('/api/v1/', '');
    const headers = new Headers(init?.headers);
    this.asked.push(`${init?.method} ${path}`);
    await Promise.resolve();
    init?.signal?.throwIfAborted();
    if (this.down) throw new TypeError('Failed to fetch');
    if (path === 'auth/login' || path === 'auth/refresh') {
      if (headers.get('Content-Type') !== 'application/json') return this.#problem(415, 'Unsupported');
      if (path === 'auth/refresh') {
        this.refreshes++;
        if (init?.body !== undefined) return this.#problem(400, 'A body was sent');
        if (!this.refreshable) return this.#problem(401, 'No session');
      }
      this.valid = `token-${++this.#made}`;
      return this.#json({ access_token: this.valid, expires_in: 600, user: { id: 'u', email: 'a@b', name: 'A', roles: [], permissions: [] } });
    }
    if (path === 'auth/logout') return new Response(null, { status: 204 });
    if (headers.get('Authorization') !== `Bearer ${this.valid}`) return this.#problem(401, 'Unauthorized');
    if (path === 'html') return new Response('<h1>Bad gateway</h1>', { status: 502 });
    if (path === 'broken') return new Response('{"data":', { status: 200 });
    return this.#json({ path });
  };

  #json(body: unknown): Response {
    return Response.json(body);
  }

  #problem(status: number, title: string): Response {
    return Response.json({ title, status, detail: 'why', request_id: 'r-1', code: 'c' }, { status, headers: { 'Retry-After': '7' } });
  }
}

let server: Server;
let signedOut: ReturnType<typeof vi.fn<() => void>>;
let api: Api;

beforeEach(async () => {
  server = new Server();
  signedOut = vi.fn<() => void>();
  api = new Api(signedOut, (input, init) => server.fetch(input, init));
});

describe('the access token', () => {
  it('comes from a login and goes with every question', async () => {
    expect((await api.login({ email: 'a@b', password: 'p' })).email).toBe('a@b');
    expect(await api.get('apps')).toEqual({ path: 'apps' });
  });

  it('comes from the refresh cookie at the start, or not at all', async () => {
    expect((await api.resume())?.id).toBe('u');
    server.refreshable = false;
    expect(await api.resume()).toBeNull();
    expect(signedOut).not.toHaveBeenCalled(); // nobody was signed in
  });

  it('is renewed once when it is refused, and the question asked again', async () => {
    await api.login({ email: 'a@b', password: 'p' });
    server.valid = 'ended';
    expect(await api.get('apps')).toEqual({ path: 'apps' });
    expect(server.asked).toEqual(['POST auth/login', 'GET apps', 'POST auth/refresh', 'GET apps']);
  });

  it('is renewed by one request for all that were refused together', async () => {
    await api.login({ email: 'a@b', password: 'p' });
    server.valid = 'ended';
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((path) => api.get(path)));
    expect(server.refreshes).toBe(1);
  });

  it('is not renewed again by an answer that was late', async () => {
    await api.login({ email: 'a@b', password: 'p' });
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const fetchNow = server.fetch;
    server.fetch = async (input, init) => {
      const answer = await fetchNow(input, init);
      if (String(input).endsWith('late') && answer.status === 401) await held;
      return answer;
    };
    server.valid = 'ended';
    const late = api.get('late');
    await api.get('early');
    release();
    expect(await late).toEqual({ path: 'late' });
    expect(server.refreshes).toBe(1);
  });

  it('ends the session when it cannot be renewed', async () => {
    await api.login({ email: 'a@b', password: 'p' });
    server.valid = 'ended';
    server.refreshable = false;
    await expect(api.get('apps')).rejects.toMatchObject({ status: 401 });
    expect(signedOut).toHaveBeenCalledOnce();
  });

  it('survives a network that fails during the renewal', async () => {
    await api.login({ email: 'a@b', password: 'p' });
    server.valid = 'ended';
    const fetchNow = server.fetch;
    server.fetch = (input, init) => (String(input).includes('auth/') ? Promise.reject(new TypeError('Failed to fetch')) : fetchNow(input, init));
    await expect(api.get('apps')).rejects.toMatchObject({ status: 0 });
    expect(signedOut).not.toHaveBeenCalled();
    server.fetch = fetchNow;
    expect(await api.get('apps')).toEqual({ path: 'apps' });
  });

  it('is forgotten on logout, even if the server cannot be told', async () => {
    await api.login({ email: 'a@b', password: 'p' });
    server.down = true;
    await expect(api.logout()).rejects.toBeInstanceOf(Problem);
    server.down = false;
    server.refreshable = false;
    await expect(api.get('apps')).rejects.toMatchObject({ status: 401 });
  });
});

describe('problems', () => {
  it('carry what the server said', async () => {
    server.refreshable = false;
    const problem: unknown = await api.get('apps').catch((error: unknown) => error);
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({ status: 401, message: 'Unauthorized', detail: 'why', code: 'c', requestId: 'r-1', retryAfterSeconds: 7 });
  });

  it('are made of whatever a proxy answers', async () => {
    await api.login({ email: 'a@b', password: 'p' });
    await expect(api.get('html')).rejects.toMatchObject({ status: 502, message: 'The server answered 502' });
    await expect(api.get('broken')).rejects.toMatchObject({ message: 'The answer could not be read' });
    server.down = true;
    await expect(api.get('apps')).rejects.toMatchObject({ status: 0, message: 'The server cannot be reached' });
  });
});

it('sends a change once more after its token was renewed, with the same body', async () => {
  await api.login({ email: 'a@b', password: 'p' });
  server.valid = 'ended';
  const bodies: unknown[] = [];
  const fetchNow = server.fetch;
  server.fetch = (input, init) => {
    if (!String(input).includes('auth/')) bodies.push(init?.body);
    return fetchNow(input, init);
  };
  expect(await api.send('PATCH', 'me', { name: 'B' })).toEqual({ path: 'me' });
  expect(server.asked).toEqual(['POST auth/login', 'PATCH me', 'POST auth/refresh', 'PATCH me']);
  expect(bodies).toEqual(['{"name":"B"}', '{"name":"B"}']);
});

it('tells a question that was left from one that failed', async () => {
  await api.login({ email: 'a@b', password: 'p' });
  const controller = new AbortController();
  const asked = api.get('apps', {}, controller.signal);
  controller.abort();
  await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
});

it('writes queries without empty values', async () => {
  await api.login({ email: 'a@b', password: 'p' });
  expect(await api.get('x', { from: '2026-01-01', cursor: null, q: 'a b&c', none: undefined, empty: '', n: 0 })).toEqual({
    path: 'x?from=2026-01-01&q=a+b%26c&n=0',
  });
});
