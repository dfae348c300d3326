import { expect, it } from 'vitest';
import { takeReason, wordsOf } from './provider.ts';

it('parts the reason from the address and keeps the rest', () => {
  expect(takeReason('https://c.example.com/apps/shop/overview?from=2026-01-01&sso=totp&to=2026-02-01')).toEqual({
    reason: 'totp',
    rest: '/apps/shop/overview?from=2026-01-01&to=2026-02-01',
  });
  expect(takeReason('https://c.example.com/?sso=state')).toEqual({ reason: 'state', rest: '/' });
  expect(takeReason('https://c.example.com/apps?x=a%20b')).toEqual({ reason: '', rest: '/apps?x=a%20b' });
});

it('has words for any reason, and shows none as it came', () => {
  expect(wordsOf('person_unknown')).toMatch(/no account/);
  expect(wordsOf('<b>x')).toBe('Signing in at the provider did not work.');
  expect(wordsOf('constructor')).toBe('Signing in at the provider did not work.');
});
