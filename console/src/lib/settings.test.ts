import { describe, expect, it } from 'vitest';
import type { Settings } from './managed.ts';
import { changesBetween, formOf, lengthOf, lengthText, ms, rebase, settingsOf } from './settings.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const base: Settings = {
  generation: 3,
  count_orders_once: true,
  exclude_untrusted_revenue: false,
  trusted_referrers: [],
  click_window_ms: 7 * DAY,
  impression_window_ms: 36 * HOUR,
  overrides: [{ media_source: 'meta', click_window_ms: 14 * DAY }],
  inactivity_ms: 7 * DAY,
  reengagement_window_ms: 30 * DAY,
  probabilistic: false,
  probabilistic_click_window_ms: DAY,
  probabilistic_impression_window_ms: 6 * HOUR,
  fraud: {
    blocked_address: 'flag',
    bot: 'flag',
    malformed_advertising_id: 'flag',
    click_after_install_begin: 'reject',
    device_frequency: 'off',
    address_frequency: 'flag',
    short_click_to_install: 'flag',
    min_click_to_install_ms: 10_000,
    max_clicks: 10,
    max_clicks_window_ms: 60_000,
  },
  blocked_ranges: ['192.0.2.0/24'],
  reattribution_window_ms: 90 * DAY,
  lateness_ms: 0,
  lookback_ms: 30 * DAY,
  half_life_ms: 7 * DAY,
  position_first: 333_333,
  position_middle: 333_334,
  position_last: 333_333,
  transform: 'none',
  impressions_in_mta: false,
  conversion_events: ['Order Completed'],
};

it('sends back what it was given', () => {
  expect(settingsOf(formOf(base), base)).toEqual(base);
  expect(settingsOf(formOf({ ...base, overrides: [], conversion_events: [] }), base)).toMatchObject({ overrides: [], conversion_events: [] });
});

it('keeps what it does not know', () => {
  const newer = { ...base, overrides: [{ link_id: 'l', click_window_ms: DAY, probabilistic_click_window_ms: HOUR }], later: 1 };
  expect(settingsOf(formOf(newer), { ...newer, valid_from: '2026-01-01T00:00:00Z', created_by: 'u' })).toEqual(newer);
});

it('changes rules against fraud and addresses', () => {
  const form = { ...formOf(base), ranges: ' 10.0.0.0/8\n\n10.0.0.0/8', tooFast: 2.5, probabilistic: true };
  form.rules.bot = 'reject';
  const wanted = settingsOf(form, base);
  expect(wanted).toMatchObject({
    blocked_ranges: ['10.0.0.0/8'],
    fraud: { bot: 'reject', min_click_to_install_ms: 2500, max_clicks: 10 },
    probabilistic: true,
  });
  expect(changesBetween(base, wanted).map(({ name }) => name)).toEqual(['Probabilistic matching', 'Rules against fraud', 'Blocked addresses']);
});

it('reads lengths in days where they are whole, else in hours', () => {
  expect(lengthOf(7 * DAY)).toEqual({ amount: 7, unit: 'days' });
  expect(lengthOf(36 * HOUR)).toEqual({ amount: 36, unit: 'hours' });
  expect(ms({ amount: 1.5, unit: 'days' })).toBe(36 * HOUR);
  expect([0, HOUR, DAY, 36 * HOUR, 90 * DAY].map(lengthText)).toEqual(['0 days', '1 hour', '1 day', '36 hours', '90 days']);
});

it('gives the middle what the first and the last leave', () => {
  const form = { ...formOf(base), first: 30, last: 50.5 };
  expect(settingsOf(form, base)).toMatchObject({ position_first: 300_000, position_middle: 195_000, position_last: 505_000 });
});

it('takes each conversion event once, one from each line', () => {
  const form = { ...formOf(base), events: ' Order Completed \n\nSign Up\nSign Up' };
  expect(settingsOf(form, base).conversion_events).toEqual(['Order Completed', 'Sign Up']);
});

it('says what changes, in words', () => {
  expect(changesBetween(base, base)).toEqual([]);
  expect(
    changesBetween(base, {
      ...base,
      click_window_ms: 14 * DAY,
      overrides: [],
      position_first: 400_000,
      position_middle: 200_000,
      position_last: 400_000,
      impressions_in_mta: true,
    }),
  ).toEqual([
    { name: 'Click window', before: '7 days', after: '14 days' },
    { name: 'Other windows', before: 'meta: clicks 14 days', after: 'none' },
    { name: 'Position weights', before: '33.3333 % / 33.3334 % / 33.3333 %', after: '40 % / 20 % / 40 %' },
    { name: 'Impressions in paths', before: 'no', after: 'yes' },
  ]);
});

describe('after somebody else saved first', () => {
  const theirs = { ...base, generation: 4, lookback_ms: 60 * DAY, half_life_ms: 3 * DAY };

  it('keeps what the reader changed, and takes the rest as it is now', () => {
    const { settings, both } = rebase(base, { ...base, click_window_ms: DAY }, theirs);
    expect(settings).toEqual({ ...theirs, click_window_ms: DAY });
    expect(both).toEqual([]);
  });

  it('names what both changed, unless they agree', () => {
    const { settings, both } = rebase(base, { ...base, lookback_ms: 60 * DAY, half_life_ms: DAY }, theirs);
    expect(settings).toEqual({ ...theirs, half_life_ms: DAY });
    expect(both).toEqual(['Half-life']);
  });

  it('keeps weights together', () => {
    const mine = { ...base, position_first: 1_000_000, position_middle: 0, position_last: 0 };
    const other = { ...base, generation: 4, position_first: 0, position_middle: 0, position_last: 1_000_000 };
    expect(rebase(base, mine, other)).toEqual({ settings: { ...mine, generation: 4 }, both: ['Position weights'] });
  });
});
