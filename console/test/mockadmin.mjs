// What mock.mjs knows of apps, keys, links, settings, people, agents and the
// audit log. Unlike the figures of mockdata.mjs it can be changed; the checks
// are those of the real server that the console has to show, and no more.
import { APPS } from './mockdata.mjs';

const DAY = 86_400_000;
export const ROLES = {
  owner: [
    'apps.read',
    'apps.write',
    'reports.read',
    'raw.read',
    'links.write',
    'postbacks.write',
    'attribution.configure',
    'costs.write',
    'privacy.manage',
    'agents.read',
    'agents.manage',
    'users.read',
    'users.manage',
    'audit.read',
  ],
  operator: ['apps.read', 'apps.write', 'reports.read', 'privacy.manage', 'agents.read', 'agents.manage', 'users.read', 'audit.read'],
  marketer: ['apps.read', 'reports.read', 'links.write', 'postbacks.write', 'attribution.configure', 'costs.write'],
  analyst: ['apps.read', 'reports.read', 'raw.read'],
  viewer: ['apps.read', 'reports.read'],
};

/** A refusal, thrown by a handler. */
export class Refusal extends Error {
  constructor(status, detail, code) {
    super(detail);
    Object.assign(this, { status, code });
  }
}
const invalid = (detail) => new Refusal(400, detail, 'invalid');
const missing = () => new Refusal(404, 'There is nothing here that you may see.', 'not_found');
const found = (value) => {
  if (!value) throw missing();
  return value;
};
const at = (ago) => new Date(Date.now() - ago).toISOString();
const list = (data) => ({ data, next_cursor: null });

const DEFAULTS = {
  generation: 1,
  inactivity_ms: 7 * DAY,
  reengagement_window_ms: 30 * DAY,
  probabilistic: false,
  probabilistic_click_window_ms: DAY,
  probabilistic_impression_window_ms: DAY / 4,
  fraud: {
    blocked_address: 'flag',
    bot: 'flag',
    malformed_advertising_id: 'flag',
    click_after_install_begin: 'flag',
    device_frequency: 'flag',
    address_frequency: 'flag',
    short_click_to_install: 'flag',
    min_click_to_install_ms: 10_000,
    max_clicks: 10,
    max_clicks_window_ms: 60_000,
  },
  click_window_ms: 7 * DAY,
  impression_window_ms: DAY,
  reattribution_window_ms: 90 * DAY,
  lateness_ms: 7 * DAY,
  lookback_ms: 30 * DAY,
  half_life_ms: 7 * DAY,
  position_first: 400_000,
  position_middle: 200_000,
  position_last: 400_000,
  transform: 'none',
  impressions_in_mta: false,
  conversion_events: ['Order Completed'],
};

const LINK = { deep_links: {}, redirects: {}, stores: {}, retargeting: false };

export class Admin {
  #made = 0;
  #apps = APPS.map((app) => ({ ...app }));
  #keys = new Map(
    APPS.map((app) => [
      app.id,
      [
        { id: `${app.id}-key-2`, app: app.id, name: 'Shop backend', kind: 'server', prefix: 'sk_3vQm8Zt', created_at: at(9 * DAY), revoked_at: null },
        { id: `${app.id}-key-1`, app: app.id, name: 'Web shop', kind: 'client', prefix: 'wk_9aKd2Lx', created_at: at(40 * DAY), revoked_at: null },
        {
          id: `${app.id}-key-0`,
          app: app.id,
          name: 'First try',
          kind: 'client',
          prefix: 'wk_Tq71mPf',
          created_at: at(90 * DAY),
          revoked_at: at(41 * DAY),
        },
      ],
    ]),
  );
  #links = new Map(
    APPS.map((app, n) => [
      app.id,
      n > 0
        ? []
        : [
            {
              ...LINK,
              id: 'l1',
              slug: 'spring-meta',
              app: app.id,
              media_source: 'meta',
              campaign: 'spring_sale_2026',
              adset: 'lookalike_de',
              redirects: { ios: 'https://shop.example.com/ios' },
              stores: { ios: 'https://apps.apple.com/app/id123456789', android: 'market://details?id=com.example.shop' },
              fallback: 'https://shop.example.com/spring',
              created_at: at(80 * DAY),
            },
            {
              ...LINK,
              id: 'l2',
              slug: 'nl-47',
              app: app.id,
              media_source: 'newsletter',
              campaign: 'week_47',
              deep_links: { ios: 'northwind://offers/47', android: 'northwind://offers/47' },
              fallback: 'https://shop.example.com/offers?from=newsletter&week=47',
              created_at: at(6 * DAY),
            },
            {
              ...LINK,
              id: 'l3',
              slug: 'cart',
              app: app.id,
              media_source: 'google_ads',
              campaign: 'retarget_cart_7d',
              keyword: 'northwind cart',
              retargeting: true,
              fallback: 'https://shop.example.com/cart',
              created_at: at(2 * DAY),
            },
          ],
    ]),
  );
  #settings = new Map(
    APPS.map((app) => [
      app.id,
      [
        {
          ...DEFAULTS,
          generation: 3,
          click_window_ms: 14 * DAY,
          conversion_events: ['Order Completed', 'Subscription Started'],
          overrides: [{ media_source: 'influencer_lena', click_window_ms: 30 * DAY }],
          valid_from: at(5 * DAY),
          created_by: 'owner@example.com',
        },
        {
          ...DEFAULTS,
          generation: 2,
          conversion_events: ['Order Completed', 'Subscription Started'],
          valid_from: at(30 * DAY),
          created_by: 'owner@example.com',
        },
        { ...DEFAULTS, valid_from: app.created_at, created_by: '' },
      ],
    ]),
  );
  #agents = new Map();
  #roles = [];
  #totp = { enabled: false, pending: false, recovery_codes_left: 0 };
  #tokens = [
    {
      id: 't0',
      name: 'Nightly export',
      prefix: 'ut_8rFq',
      permissions: ['apps.read', 'reports.read'],
      apps: '*',
      created_at: at(20 * DAY),
      expires_at: at(-70 * DAY),
      last_used_at: at(11 * 3_600_000),
    },
  ];
  people;
  sessions = [
    {
      id: 's1',
      created_at: at(3 * 3_600_000),
      expires_at: at(-9 * 3_600_000),
      last_used_at: at(4000),
      ip: '192.0.2.10',
      user_agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36',
      current: true,
    },
    {
      id: 's2',
      created_at: at(7 * 3_600_000),
      expires_at: at(-5 * 3_600_000),
      last_used_at: at(2 * 3_600_000),
      ip: '2001:db8::7',
      user_agent:
        'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1',
      current: false,
    },
  ];
  audit = [];

  /** people: email → {name, roles, …}, with the email as the id. */
  constructor(people) {
    this.people = people;
    const before = { ...DEFAULTS, generation: 2, conversion_events: ['Order Completed', 'Subscription Started'] };
    const past = [
      ['secret.create', 'system', '', 'success', 'access-token-687', {}],
      [
        'user.create',
        'user',
        'owner@example.com',
        'success',
        'viewer@example.com',
        { email: 'viewer@example.com', name: 'Vera Viewer', roles: [{ role: 'viewer', apps: '*' }] },
      ],
      ['login', 'anonymous', '', 'failure', 'owner@example.com', {}],
      ['login', 'user', 'owner@example.com', 'success', 'owner@example.com', {}],
      ['access.denied', 'user', 'viewer@example.com', 'denied', 'GET users', { reason: 'permission', method: 'GET', path: '/api/v1/users' }],
      [
        'settings.change',
        'user',
        'owner@example.com',
        'success',
        APPS[0].id,
        {
          before,
          after: { ...before, generation: 3, click_window_ms: 14 * DAY, overrides: [{ media_source: 'influencer_lena', click_window_ms: 30 * DAY }] },
        },
      ],
    ];
    for (let i = 0; i < 60; i++) this.#note(...past[i % past.length], (60 - i) * 7_000_000);
  }

  #note(action, actor_kind, actor, outcome, target, detail, ago = 0) {
    this.audit.unshift({
      seq: this.audit.length + 1,
      time: at(ago),
      actor_kind,
      actor,
      action,
      outcome,
      target,
      request_id: `r-${this.audit.length}`,
      ip: actor_kind === 'system' ? '' : '192.0.2.10',
      detail,
    });
  }

  #did(who, action, target, detail = {}) {
    this.#note(action, 'user', who, 'success', target, detail);
  }

  /** The body and status for a request, undefined where there is no such route; throws a Refusal. */
  answer(method, path, query, body, who) {
    const parts = path.split('/').map(decodeURIComponent);
    const [first, id, list, item] = parts;
    if (first === 'apps' && parts.length <= 2) return this.#app(method, id, body, who);
    if (first === 'apps' && list === 'keys') return this.#key(method, id, item, body, who);
    if (first === 'apps' && list === 'links') return this.#link(method, id, item, body, who);
    if (first === 'apps' && list === 'attribution') return this.#setting(method, id, item, body, who);
    if (first === 'users') return this.#person(method, id, list, body, who);
    if (first === 'roles') return this.#role(method, id, body, who);
    if (first === 'audit')
      return id === 'verify' ? [{ valid: true, entries: this.audit.length, head: 'b1946ac92492d2347c6235b4d2611184' }] : [this.#entries(query)];
    if (first === 'agents' && id === 'enrollment-tokens') return this.#enroll(body, who);
    if (first === 'agents' && list === 'revoke') return (this.#did(who, 'agent.revoke', id), this.#agents.set(id, 'revoked'), []);
    return undefined;
  }

  agentState(id) {
    return this.#agents.get(id);
  }

  /** The second factor, sessions and API tokens of whoever asks; undefined where there is no such route. */
  mine(method, path, body, password) {
    const [, list, id] = path.split('/');
    if (list === 'sessions' && method === 'GET') return [{ data: this.sessions, next_cursor: null }];
    if (list === 'sessions' && method === 'DELETE') return ((this.sessions = this.sessions.filter((one) => one.id !== id)), []);
    if (list === 'totp') return this.#factor(method, id, body, password);
    if (list !== 'tokens') return undefined;
    if (method === 'GET') return [{ data: this.#tokens, next_cursor: null }];
    if (method === 'DELETE') return ((this.#tokens = this.#tokens.filter((one) => one.id !== id)), []);
    const { expires_in_days, ...rest } = body;
    const token = {
      ...rest,
      id: `t${++this.#made}`,
      prefix: 'ut_Mock',
      created_at: at(0),
      expires_at: at(-expires_in_days * DAY),
      last_used_at: null,
    };
    this.#tokens.push(token);
    return [{ ...token, token: `ut_MockMockMockMock${this.#made}` }, 201];
  }

  #factor(method, step, body, password) {
    if (method === 'GET') return [{ ...this.#totp }];
    if (!step && body.current_password !== password) throw invalid('current_password is not your password');
    if (method === 'DELETE') return (Object.assign(this.#totp, { enabled: false, recovery_codes_left: 0 }), []);
    if (!step) {
      this.#totp.pending = true;
      return [
        {
          secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
          url: 'otpauth://totp/UnMoGrowP:owner@example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=UnMoGrowP',
        },
        201,
      ];
    }
    if (body.code !== '123456') throw invalid('code is not the one that the app shows');
    Object.assign(this.#totp, { enabled: true, pending: false, recovery_codes_left: 10 });
    return [{ recovery_codes: Array.from({ length: 10 }, (_, n) => `abcd-efgh-ijkl-mno${n}`) }];
  }

  #app(method, id, body, who) {
    if (method === 'GET' && !id) return [list(this.#apps)];
    if (method === 'POST') {
      if (!/^[A-Z]{3}$/.test(body.currency)) throw invalid(`currency "${body.currency}" is not an ISO 4217 code such as EUR`);
      const app = { ...body, id: `app_new${++this.#made}`, created_at: at(0) };
      this.#apps.push(app);
      this.#keys.set(app.id, []);
      this.#links.set(app.id, []);
      this.#settings.set(app.id, [{ ...DEFAULTS, valid_from: at(0), created_by: who }]);
      this.#did(who, 'app.create', app.id, app);
      return [app, 201];
    }
    const app = found(this.#apps.find((one) => one.id === id));
    if (method === 'PATCH') return (this.#did(who, 'app.change', id, { before: { ...app }, after: { ...app, ...body } }), [Object.assign(app, body)]);
    if (method === 'DELETE') return (this.#did(who, 'app.delete', id), (this.#apps = this.#apps.filter((one) => one !== app)), []);
    return [app];
  }

  #key(method, app, id, body, who) {
    const keys = found(this.#keys.get(app));
    if (method === 'GET') return [list(keys)];
    if (method === 'POST') {
      const secret = `${body.kind === 'server' ? 'sk' : 'wk'}_MockMockMock${++this.#made}`;
      const key = { id: `k${this.#made}`, app, ...body, prefix: secret.slice(0, 10), created_at: at(0), revoked_at: null };
      keys.unshift(key);
      this.#did(who, 'key.create', key.id, key);
      return [{ ...key, key: secret }, 201];
    }
    found(keys.find((one) => one.id === id)).revoked_at = at(0);
    return (this.#did(who, 'key.revoke', id), []);
  }

  #link(method, app, id, body, who) {
    const links = found(this.#links.get(app));
    if (method === 'GET') return [list(links)];
    if (method === 'DELETE')
      return (
        this.#did(who, 'link.delete', id),
        this.#links.set(
          app,
          links.filter((one) => one.id !== id),
        ),
        []
      );
    if (!body.media_source) throw invalid('media_source is empty');
    if (!/^https?:\/\/./.test(body.fallback)) throw invalid('fallback must be a whole http or https URL');
    if (method === 'PUT') {
      const link = found(links.find((one) => one.id === id));
      this.#did(who, 'link.change', id, { before: { ...link }, after: { ...link, ...body } });
      return [Object.assign(link, body)];
    }
    if (links.some((one) => one.slug === body.slug))
      throw new Refusal(409, 'It exists already, or was changed by somebody else in the meantime: load it again.', 'conflict');
    const link = { ...LINK, ...body, id: `l${++this.#made}0`, app, slug: body.slug || `x${this.#made}Kp2`, created_at: at(0) };
    links.push(link);
    return (this.#did(who, 'link.create', link.id, link), [link, 201]);
  }

  #setting(method, app, versions, body, who) {
    const all = found(this.#settings.get(app));
    if (method === 'GET') return [versions ? list(all) : all[0]];
    if (body.generation !== all[0].generation)
      throw new Refusal(409, 'It exists already, or was changed by somebody else in the meantime: load it again.', 'conflict');
    const faults = [];
    if (body.position_middle < 0) faults.push(`position_middle is ${body.position_middle}, must be 0 to 1000000`);
    if (body.lookback_ms > 90 * DAY) faults.push(`lookback_ms is ${body.lookback_ms}, must be ${DAY} to ${90 * DAY}`);
    if (faults.length) throw invalid(faults.join('\n'));
    const next = { ...body, generation: body.generation + 1, valid_from: at(0), created_by: who };
    all.unshift(next);
    return (this.#did(who, 'settings.change', app, { before: all[1], after: next }), [next]);
  }

  personOf(email) {
    const { name, roles, disabled = false, last_login_at = null } = found(this.people[email]);
    return { id: email, email, name, roles, disabled, created_at: at(50 * DAY), last_login_at };
  }

  #role(method, id, body, who) {
    if (method === 'GET')
      return [list([...Object.entries(ROLES).map(([role, permissions]) => ({ role, builtin: true, description: '', permissions })), ...this.#roles])];
    if (method === 'DELETE') return (this.#did(who, 'role.delete', id), (this.#roles = this.#roles.filter(({ role }) => role !== id)), []);
    const role = { role: id, builtin: false, ...body };
    this.#roles = [...this.#roles.filter((one) => one.role !== role.role), role];
    return (this.#did(who, 'role.create', role.role, role), [role, method === 'POST' ? 201 : 200]);
  }

  #person(method, id, roles, body, who) {
    if (roles === 'reset-link') return [{ token: 'mock-link', path: '/accept#mock-link', expires_at: at(-DAY) }, 201];
    if (method === 'GET') return [id ? this.personOf(id) : list(Object.keys(this.people).map((email) => this.personOf(email)))];
    if (method === 'POST') {
      if (!/^[^@\s]+@[^@\s]+$/.test(body.email)) throw invalid(`email "${body.email}" is not an address such as ann@example.com`);
      if (this.people[body.email])
        throw new Refusal(409, 'It exists already, or was changed by somebody else in the meantime: load it again.', 'conflict');
      this.people[body.email] = { name: body.name, roles: body.roles };
      this.#did(who, 'user.create', body.email, { ...body, password: undefined });
      return [
        {
          ...this.personOf(body.email),
          ...(body.password ? {} : { invitation: { token: 'mock-link', path: '/accept#mock-link', expires_at: at(-3 * DAY) } }),
        },
        201,
      ];
    }
    const person = found(this.people[id]);
    const owners = Object.entries(this.people).filter(
      ([, one]) => !one.disabled && one.roles.some(({ role, apps }) => role === 'owner' && apps === '*'),
    );
    const leaves = method === 'DELETE' || body.disabled || (roles && !body.roles.some(({ role, apps }) => role === 'owner' && apps === '*'));
    if (leaves && owners.length === 1 && owners[0][0] === id)
      throw new Refusal(409, 'This is the last owner: make somebody else an owner first.', 'last_owner');
    const before = this.personOf(id);
    if (method === 'DELETE') delete this.people[id];
    else Object.assign(person, body);
    const action = method === 'DELETE' ? 'user.delete' : roles ? 'user.roles' : 'user.change';
    this.#did(who, action, id, method === 'DELETE' ? {} : { before, after: this.personOf(id) });
    return method === 'DELETE' ? [] : [this.personOf(id)];
  }

  #entries(query) {
    const wanted = this.audit.filter(
      (one) =>
        (!query.get('actor') || one.actor === query.get('actor')) &&
        (!query.get('action') || one.action === query.get('action')) &&
        (!query.get('outcome') || one.outcome === query.get('outcome')),
    );
    const rest = wanted.filter(({ seq }) => !query.get('cursor') || seq < Number(query.get('cursor')));
    const data = rest.slice(0, Number(query.get('limit') ?? 50));
    return { data, next_cursor: rest.length > data.length ? String(data.at(-1).seq) : null };
  }

  #enroll(body, who) {
    if (!body.name || !body.region) throw invalid('name and region must be given');
    this.#did(who, 'enrollment.create', body.name, body);
    return [{ token: 'umg1.MOCKMOCKMOCKMOCKMOCKMOCKMOCKMOCK.3Fq9', expires: at(-15 * 60_000) }, 201];
  }
}
