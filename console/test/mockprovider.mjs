// What mock.mjs knows of signing in at a provider. Its provider asks nothing:
// the first visit is of a stranger, the second of somebody with a second
// factor, and so on in turn.
import { Refusal } from './mockadmin.mjs';

const CALLBACK = '/api/v1/auth/oidc/callback';
const REASONS = ['person_unknown', 'totp'];
const CODE = '123456';

export class MockProvider {
  #visits = 0;
  #returnTo = '/';
  #waiting = '';
  #provider = {
    id: 'p1',
    name: 'Acme',
    issuer: 'https://login.example.com',
    client_id: 'unmogrowp',
    has_secret: true,
    public_url: 'https://console.example.com',
    create_people: false,
    domains: [],
    roles: [],
    passwords_off: false,
    changed_at: '2026-11-20T09:00:00Z',
  };
  #identities = [
    {
      id: 'i1',
      issuer: 'https://login.example.com',
      subject: '00u1',
      email: 'owner@example.com',
      created_at: '2026-11-01T09:00:00Z',
      last_used_at: '2026-11-20T09:00:00Z',
    },
  ];

  /** The ways in; enter opens a session for an email. */
  auth(method, path, body, { json, redirect, enter }) {
    if (method === 'GET' && path === 'auth/oidc') return json({ provider: this.#provider && { name: this.#provider.name } });
    if (path === 'auth/oidc/start') return ((this.#returnTo = body.return_to), json({ url: CALLBACK }));
    if (path === 'auth/oidc/callback') {
      const reason = REASONS[this.#visits++ % REASONS.length];
      if (reason === 'totp') this.#waiting = 'owner@example.com';
      return redirect(`${this.#returnTo}${this.#returnTo.includes('?') ? '&' : '?'}sso=${reason}`);
    }
    if (!this.#waiting) throw new Refusal(403, 'The login took too long: begin again.', 'login_expired');
    if (body.totp !== CODE) throw new Refusal(403, 'The code is wrong, or was used already: wait for the next one.', 'totp_wrong');
    return enter(this.#waiting);
  }

  /** The configuration. */
  settings(method, body) {
    if (method === 'DELETE') return ((this.#provider = null), []);
    if (method === 'PUT') {
      if (!body.issuer.startsWith('https://'))
        throw new Refusal(400, 'Field issuer must begin with https:// (http:// is for this machine only, in development).', 'invalid');
      const { client_secret, ...rest } = body;
      this.#provider = {
        ...this.#provider,
        ...rest,
        id: 'p1',
        has_secret: client_secret === undefined ? (this.#provider?.has_secret ?? false) : client_secret !== '',
      };
    }
    return [{ provider: this.#provider, callback_path: CALLBACK }];
  }

  /** The identities of whoever asks, or of the owner; everybody else is nobody there. */
  identities(method, id) {
    if (method === 'DELETE') this.#identities = this.#identities.filter((one) => one.id !== id);
    return method === 'DELETE' ? [] : [{ data: method === 'NOBODY' ? [] : this.#identities, next_cursor: null }];
  }
}
