import { expect, it } from 'vitest';
import { origin } from './agent.svelte.ts';
import { snippets } from './snippets.ts';

const AGENT = 'https://in.example.org';

it('puts the key and the address of the agent into every snippet', () => {
  for (const kind of ['client', 'server'] as const) {
    for (const { name, text } of snippets(kind, 'wk_abc', AGENT)) {
      expect(text, name).toContain('wk_abc');
      expect(text, name).toContain('in.example.org');
      expect(text, name).not.toContain('example.com');
    }
  }
});

it('offers nothing that runs on a device for a server key', () => {
  const names = (kind: 'client' | 'server') => snippets(kind, 'k', AGENT).map(({ name }) => name);
  expect(names('server')).toEqual(['Node', 'Go', 'Python', 'From AppsFlyer', 'From Adjust']);
  expect(names('client')).toEqual(expect.arrayContaining(['Script tag', 'iOS', 'Android', 'React Native', 'Flutter', 'curl']));
  expect(names('client')).not.toContain('From AppsFlyer');
});

it('reads the address of an agent as people type it', () => {
  expect(origin(' in.example.org ')).toBe('https://in.example.org');
  expect(origin('http://127.0.0.1:8080/v1/batch?x=1')).toBe('http://127.0.0.1:8080');
  expect(origin('')).toBe('');
  expect(origin('ftp://in.example.org')).toBe('');
  expect(origin('not an address')).toBe('');
});
