import { createContext } from 'svelte';
import { Api, type Credentials } from './api.ts';
import type { Permission, User } from './shapes.ts';

/** Who is signed in. */
export class Session {
  state = $state<'starting' | 'unreachable' | 'anonymous' | 'signed-in'>('starting');
  user = $state.raw<User>();
  /** Why the sign-in page is shown, where the reader might wonder. */
  notice = $state('');

  readonly api = new Api(() => {
    this.#leave('Your session has ended. Please sign in again.');
  });

  async start(): Promise<void> {
    this.state = 'starting';
    try {
      const user = await this.api.resume();
      if (user) this.#enter(user);
      else this.#leave('');
    } catch {
      this.state = 'unreachable';
    }
  }

  async login(credentials: Credentials): Promise<void> {
    this.#enter(await this.api.login(credentials));
  }

  async logout(): Promise<void> {
    try {
      await this.api.logout();
      this.#leave('You are signed out.');
    } catch {
      this.#leave('You are signed out here, but the server could not be told. The session there ends within 12 hours.');
    }
  }

  /** Whether the reader holds the permission for any app; what needs none is open to everybody. */
  may(permission: Permission | ''): boolean {
    return !permission || (this.user?.permissions?.includes(permission) ?? false);
  }

  /** Takes note of what the server now says of the reader. */
  changed(user: User): void {
    this.user = user;
  }

  #enter(user: User): void {
    this.user = user;
    this.notice = '';
    this.state = 'signed-in';
  }

  #leave(notice: string): void {
    this.notice = notice;
    this.user = undefined;
    this.state = 'anonymous';
  }
}

export const [getSession, setSession] = createContext<Session>();
