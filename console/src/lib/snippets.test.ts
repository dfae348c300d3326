import { expect, it } from 'vitest';
import { origin } from './agent.svelte.ts';
import { snippets } from './snippets.ts';

it('puts the key and the address of the agent into every snippet', () => {
  for (const { text } of snippets('client', 'wk_abc', 'https://in.example.org')) {
    expect(text).toContain('"wk_abc"');
    expect(text).toContain('"https://in.example.org"');
  }
});

it('offers no browser snippet for a server key', () => {
  expect(snippets('client', 'k', 'a').map(({ name }) => name)).toEqual(['Browser', 'Node', 'Go']);
  expect(snippets('server', 'k', 'a').map(({ name }) => name)).toEqual(['Node', 'Go']);
});

it('reads the address of an agent as people type it', () => {
  expect(origin(' in.example.org ')).toBe('https://in.example.org');
  expect(origin('http://127.0.0.1:8080/v1/batch?x=1')).toBe('http://127.0.0.1:8080');
  expect(origin('')).toBe('');
  expect(origin('ftp://in.example.org')).toBe('');
  expect(origin('not an address')).toBe('');
});
