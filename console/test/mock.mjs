// A small server with believable answers, for developing and testing the
// console without the real system. It keeps the shapes of the API and the
// headers of the real server, and nothing else of it.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join, normalize } from 'node:path';
import { APP, answer } from './mockdata.mjs';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', json: 'application/json' };
const PASSWORD = 'a-long-mock-password';

export const OWNER = { email: 'owner@example.com', password: PASSWORD };
export const VIEWER = { email: 'viewer@example.com', password: PASSWORD };
export const TOTP = { email: 'totp@example.com', password: PASSWORD, totp: '123456' };

const COOKIE = '__Host-refresh';

const ALL = ['apps.read', 'apps.write', 'reports.read', 'raw.read', 'agents.read', 'users.read', 'audit.read'];
const PEOPLE = {
  'owner@example.com': { name: 'Ada Owner', role: 'owner', permissions: ALL },
  'viewer@example.com': { name: 'Vera Viewer', role: 'viewer', permissions: ['apps.read', 'reports.read'] },
  'totp@example.com': { name: 'Tom Totp', role: 'analyst', permissions: ['apps.read', 'reports.read', 'raw.read'], totp: '123456' },
};

function userOf(email) {
  const { name, role, permissions } = PEOPLE[email];
  return { id: email, email, name, roles: [{ role, apps: '*' }], permissions };
}

/** Starts the server; options: port, tokenLifeMs (short values exercise the refresh). */
export function startMock({ port = 0, tokenLifeMs = 600_000 } = {}) {
  const tokens = new Map(); // access token → { email, until }
  const refreshes = new Map(); // refresh token → email
  let made = 0;

  function session(response, email) {
    const access = `access-${++made}`;
    const refresh = `refresh-${made}`;
    tokens.set(access, { email, until: Date.now() + tokenLifeMs });
    refreshes.set(refresh, email);
    response.setHeader('Set-Cookie', `${COOKIE}=${refresh}; Path=/; HttpOnly; Secure; SameSite=Strict`);
    json(response, 200, { access_token: access, expires_in: tokenLifeMs / 1000, user: userOf(email) });
  }

  async function auth(request, response, action) {
    const cookie = new RegExp(`${COOKIE}=([\\w-]+)`).exec(request.headers.cookie ?? '')?.[1];
    if (request.headers['content-type'] !== 'application/json') return problem(response, 415, 'Unsupported media type');
    if (action === 'login') {
      const body = JSON.parse(await read(request));
      const person = PEOPLE[body.email];
      if (!person || body.password !== PASSWORD) return problem(response, 401, 'Email or password is wrong');
      if (person.totp && !body.totp) return problem(response, 401, 'A one-time code is needed', 'totp_required');
      if (person.totp && body.totp !== person.totp) return problem(response, 401, 'The one-time code is wrong', 'totp_required');
      return session(response, body.email);
    }
    const email = refreshes.get(cookie);
    refreshes.delete(cookie);
    if (action === 'logout') {
      response.setHeader('Set-Cookie', `${COOKIE}=; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=0`);
      return response.writeHead(204).end();
    }
    return email ? session(response, email) : problem(response, 401, 'No session');
  }

  const server = createServer(async (request, response) => {
    try {
      const url = new URL(request.url, 'http://mock');
      if (!url.pathname.startsWith('/api/v1/')) return await file(url.pathname, response);
      const path = url.pathname.slice('/api/v1/'.length);
      if (path.startsWith('auth/')) return await auth(request, response, path.slice(5));
      const token = tokens.get((request.headers.authorization ?? '').replace('Bearer ', ''));
      if (!token || token.until < Date.now()) return problem(response, 401, 'Unauthorized');
      if (path === 'me') return json(response, 200, userOf(token.email));
      const permissions = PEOPLE[token.email].permissions;
      const needed = path.includes('/conversions') ? 'raw.read' : /^(cluster|agents)/.test(path) ? 'agents.read' : 'reports.read';
      if (!permissions.includes(needed)) return problem(response, 403, 'Forbidden');
      const found = answer(path, url.searchParams);
      return found ? json(response, 200, found) : problem(response, 404, 'Not found');
    } catch (error) {
      problem(response, 500, String(error));
    }
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve({ url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close(), app: APP.id }));
  });
}

async function read(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

function json(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(JSON.stringify(body));
}

function problem(response, status, title, code) {
  response.writeHead(status, { 'Content-Type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title, status, request_id: 'mock-request', code }));
}

async function file(path, response) {
  const name = normalize(path).replace(/^\/+/, '');
  const body = await readFile(join(DIST, name || 'index.html')).catch(() => null);
  if (!body && name.startsWith('assets/')) return response.writeHead(404).end();
  const page = body ?? (await readFile(join(DIST, 'index.html')));
  const type = TYPES[body ? (name || 'index.html').split('.').pop() : 'html'] ?? 'application/octet-stream';
  response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': CSP, 'X-Content-Type-Options': 'nosniff' }).end(page);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMock({ port: Number(process.env.PORT ?? 3001) });
  console.log(`${url}  owner@example.com, viewer@example.com or totp@example.com (code 123456), password ${PASSWORD}`);
}
