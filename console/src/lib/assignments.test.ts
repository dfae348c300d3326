import { expect, it } from 'vitest';
import { assignmentOf, complete, formOf } from './assignments.ts';
import type { Assignment } from './shapes.ts';

it('sends back what it was given', () => {
  const assignments: Assignment[] = [
    { role: 'owner', apps: '*' },
    { role: 'viewer', apps: ['a', 'b'], media_sources: ['meta', 'google ads'], countries: ['DE'] },
  ];
  expect(assignments.map((one) => assignmentOf(formOf(one)))).toEqual(assignments);
  expect(assignmentOf(formOf({ role: 'viewer', apps: '*', media_sources: [], countries: [] }))).toEqual({ role: 'viewer', apps: '*' });
});

it('reads lists with commas or on lines, and countries in small letters', () => {
  const form = { ...formOf({ role: 'viewer', apps: '*' }), mediaSources: ' meta,\n google ads, meta ,', countries: 'de, at' };
  expect(assignmentOf(form)).toEqual({ role: 'viewer', apps: '*', media_sources: ['meta', 'google ads'], countries: ['DE', 'AT'] });
});

it('knows a role that holds nowhere', () => {
  const form = formOf({ role: 'viewer', apps: '*' });
  expect(complete([])).toBe(true);
  expect(complete([form])).toBe(true);
  expect(complete([form, { ...form, everywhere: false }])).toBe(false);
  expect(complete([{ ...form, everywhere: false, apps: ['a'] }])).toBe(true);
});
