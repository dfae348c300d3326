import { expect, it } from 'vitest';
import { installResult, match, sentence, verdict } from './explain.ts';

it('has words for every verdict and result of the engine', () => {
  const verdicts = [
    'won',
    'window_expired',
    'lower_tier',
    'older_touch',
    'after_conversion',
    'unknown_click_id',
    'foreign_referrer',
    'fraud_rejected',
    'consent_withheld',
    'duplicate',
    'not_retargeting',
  ];
  for (const code of verdicts) expect(verdict(code).reason, code).not.toBe('');
  for (const code of ['non_organic', 'organic', 'unattributed', 'reinstall', 're_attribution', 're_engagement'])
    expect(installResult(code).reason, code).not.toBe('');
});

it('makes sentences of phrases', () => {
  expect(sentence('no touch points to a campaign')).toBe('No touch points to a campaign.');
  expect(sentence('Done.')).toBe('Done.');
  expect(sentence('')).toBe('');
});

it('shows a code it does not know as it is, also one that names a method', () => {
  expect(verdict('some_new_rule')).toEqual({ name: 'Some new rule', reason: '' });
  expect(verdict('constructor')).toEqual({ name: 'Constructor', reason: '' });
  expect(match('new_key')).toBe('new key');
  expect(match('toString')).toBe('tostring');
  expect(match(undefined)).toBe('');
});
