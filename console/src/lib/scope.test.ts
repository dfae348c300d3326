import { expect, it } from 'vitest';
import { holdsEverywhere, reach } from './scope.ts';
import type { Assignment, User } from './shapes.ts';

const user = (...roles: Assignment[]): User => ({ id: 'u', email: 'a@b', name: 'A', roles, permissions: [], totp: false });

it('takes a role for all apps that is not narrowed as one for the whole installation', () => {
  expect(holdsEverywhere(undefined)).toBe(false);
  expect(holdsEverywhere(user({ role: 'operator', apps: ['a'] }))).toBe(false);
  expect(holdsEverywhere(user({ role: 'operator', apps: '*', countries: ['DE'] }))).toBe(false);
  expect(holdsEverywhere(user({ role: 'viewer', apps: ['a'] }, { role: 'operator', apps: '*', media_sources: [], countries: [] }))).toBe(true);
});

it('says what an assignment reaches', () => {
  const name = (id: string) => id.toUpperCase();
  expect(reach({ role: 'viewer', apps: '*' }, name)).toBe('all apps');
  expect(reach({ role: 'viewer', apps: ['a', 'b'] }, name)).toBe('A and B');
  expect(reach({ role: 'viewer', apps: ['a', 'b', 'c'], media_sources: ['meta'], countries: ['DE', 'AT', 'CH', 'LI'] }, name)).toBe(
    '3 apps, only meta, only 4 countries',
  );
});
