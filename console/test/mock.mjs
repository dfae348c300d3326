// A small server with believable answers, for developing and testing the
// console without the real system. It keeps the shapes of the API and the
// headers of the real server, and nothing else of it.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join, normalize } from 'node:path';
import { Admin, Refusal, ROLES } from './mockadmin.mjs';
import { APP, answer, attribution } from './mockdata.mjs';
import { MockProvider } from './mockprovider.mjs';
import { Studies } from './mockstudies.mjs';

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

const everywhere = (role) => [{ role, apps: '*' }];
const people = () => ({
  'owner@example.com': { name: 'Ada Owner', roles: everywhere('owner'), last_login_at: new Date(Date.now() - 9e6).toISOString() },
  'viewer@example.com': { name: 'Vera Viewer', roles: everywhere('viewer') },
  'totp@example.com': {
    name: 'Tom Totp',
    roles: [{ role: 'analyst', apps: [APP.id], media_sources: ['newsletter'], countries: ['DE', 'AT'] }],
    totp: '123456',
  },
  'mira@example.com': {
    name: 'Mira Marketer',
    roles: [
      { role: 'marketer', apps: [APP.id, '0198c1a2-game'] },
      { role: 'viewer', apps: '*' },
    ],
    disabled: true,
  },
});

/** Which permission a path needs; the console must not ask for what it would be refused. */
function needed(method, path) {
  const reads = method === 'GET';
  if (/\/(conversions|late-touches|conflicts)/.test(path)) return 'raw.read';
  if (/^apps\/[^/]+\/keys/.test(path)) return 'apps.write';
  if (/^apps\/[^/]+\/links/.test(path)) return reads ? 'apps.read' : 'links.write';
  if (/^apps\/[^/]+\/attribution/.test(path)) return reads ? 'apps.read' : 'attribution.configure';
  if (/^(cluster|agents)/.test(path)) return reads ? 'agents.read' : 'agents.manage';
  if (/^(users|roles|provider)/.test(path)) return reads ? 'users.read' : 'users.manage';
  if (path.startsWith('audit')) return 'audit.read';
  return path.includes('/reports/') ? 'reports.read' : reads ? 'apps.read' : 'apps.write';
}

/** Starts the server; options: port, tokenLifeMs (short values exercise the refresh). */
export function startMock({ port = 0, tokenLifeMs = 600_000 } = {}) {
  const tokens = new Map(); // access token → { email, until }
  const refreshes = new Map(); // refresh token → email
  const admin = new Admin(people());
  const provider = new MockProvider();
  const studies = new Studies(attribution);
  let made = 0;

  function userOf(email) {
    const { name, roles } = admin.people[email];
    const held = new Set(roles.flatMap(({ role }) => ROLES[role]));
    return { id: email, email, name, roles, permissions: ROLES.owner.filter((permission) => held.has(permission)) };
  }

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
      const person = admin.people[body.email];
      if (!person || body.password !== PASSWORD) return problem(response, 401, 'Email or password is wrong');
      if (person.totp && !body.totp) return problem(response, 401, 'A one-time code is needed', 'totp_required');
      if (person.totp && body.totp !== person.totp) return problem(response, 401, 'The one-time code is wrong', 'totp_required');
      return session(response, body.email);
    }
    if (action === 'accept') {
      const { token, password } = JSON.parse(await read(request));
      if (token !== 'mock-link') return problem(response, 401, 'Refused', 'link_invalid', 'The link was used, or is too old.');
      return password.length < 12 ? problem(response, 400, 'Refused', 'invalid', 'password is too short') : response.writeHead(204).end();
    }
    const email = refreshes.get(cookie);
    refreshes.delete(cookie);
    if (action === 'logout') {
      response.setHeader('Set-Cookie', `${COOKIE}=; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=0`);
      return response.writeHead(204).end();
    }
    return email ? session(response, email) : problem(response, 401, 'No session');
  }

  /** What belongs to whoever asks. */
  function own({ method, path, body, email }) {
    if (path === 'me' && method === 'GET') return [userOf(email)];
    if (path === 'me') {
      if (body.password && body.current_password !== PASSWORD) throw new Refusal(400, 'current_password is not your password', 'invalid');
      if (body.name) admin.people[email].name = body.name;
      return [userOf(email)];
    }
    if (path.startsWith('me/identities')) return provider.identities(method, path.split('/')[2]);
    const answered = admin.mine(method, path, body, PASSWORD);
    if (!answered) throw new Refusal(404, 'There is nothing here that you may see.', 'not_found');
    return answered;
  }

  function manage({ method, path, query, body, email }) {
    if (!userOf(email).permissions.includes(needed(method, path))) throw new Refusal(403, 'Your roles do not allow this.', 'forbidden');
    if (path.startsWith('provider')) return provider.settings(method, body);
    if (/^users\/.*\/identities/.test(path)) return provider.identities(path.includes('owner') ? method : 'NOBODY', path.split('/')[3]);
    if (method === 'POST' && path.endsWith('/costs'))
      return [{ stored: 2, replaced: 1, rows: 2, skipped: 0, format: 'ours', as_of: new Date().toISOString() }];
    const changed = studies.answer(method, path, body) ?? admin.answer(method, path, query, body, email);
    if (changed) return changed;
    const found = method === 'GET' ? answer(path, query) : null;
    if (!found) throw new Refusal(404, 'There is nothing here that you may see.', 'not_found');
    if (path === 'agents') for (const agent of found.data) agent.state = admin.agentState(agent.id) ?? agent.state;
    return [found];
  }

  const server = createServer(async (request, response) => {
    try {
      const url = new URL(request.url, 'http://mock');
      if (!url.pathname.startsWith('/api/v1/')) return await file(url.pathname, response);
      const path = url.pathname.slice('/api/v1/'.length);
      if (path.startsWith('auth/oidc')) {
        return provider.auth(request.method, path, request.method === 'GET' ? undefined : JSON.parse(await read(request)), {
          json: (answered) => json(response, 200, answered),
          redirect: (location) => response.writeHead(303, { Location: location }).end(),
          enter: (email) => session(response, email),
        });
      }
      if (path.startsWith('auth/')) return await auth(request, response, path.slice(5));
      const token = tokens.get((request.headers.authorization ?? '').replace('Bearer ', ''));
      if (!token || token.until < Date.now()) return problem(response, 401, 'Unauthorized');
      const body = request.method === 'GET' ? undefined : JSON.parse((await read(request)) || 'null');
      const asked = { method: request.method, path, query: url.searchParams, body, email: token.email };
      const [answered, status] = path.startsWith('me') ? own(asked) : manage(asked);
      if (url.searchParams.get('format') === 'csv') return csv(response);
      return answered === undefined ? response.writeHead(204).end() : json(response, status ?? 200, answered);
    } catch (error) {
      if (error instanceof Refusal) return problem(response, error.status, 'Refused', error.code, error.message);
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

/** Only what the console does with a file is looked at, not what is in it. */
function csv(response) {
  response
    .writeHead(200, { 'Content-Type': 'text/csv; charset=utf-8; header=present', 'Cache-Control': 'no-store' })
    .end('path,touches,conversions,share,revenue,currency,unconverted\r\n');
}

function json(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(JSON.stringify(body));
}

function problem(response, status, title, code, detail) {
  response.writeHead(status, { 'Content-Type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title, status, detail, request_id: 'mock-request', code }));
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
