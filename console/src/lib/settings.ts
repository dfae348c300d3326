import { rounded } from './decimal.ts';
import type { FraudAction, FraudSettings, Override, Settings } from './managed.ts';

/** Attribution settings as people type and read them: days, hours and percent instead of milliseconds and millionths. */

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

export const UNITS = ['days', 'hours'] as const;
export interface Length {
  amount: number | null;
  unit: (typeof UNITS)[number];
}

export function lengthOf(ms: number): Length {
  return ms % DAY === 0 ? { amount: ms / DAY, unit: 'days' } : { amount: ms / HOUR, unit: 'hours' };
}

export function ms({ amount, unit }: Length): number {
  return Math.round((amount ?? 0) * (unit === 'days' ? DAY : HOUR));
}

const percentOf = (millionths: number) => millionths / 10_000;
const millionths = (percent: number | null) => Math.round((percent ?? 0) * 10_000);

export const TRANSFORMS: Record<string, [string, string]> = {
  none: ['Every touch counts', 'The path stays as it is.'],
  collapse_repeats: ['Repeats count once', 'Of adjacent touches of one media source, the last counts.'],
  ignore_direct: ['Without direct visits', 'Direct visits count only where there is nothing else.'],
};

export const ACTIONS: Record<FraudAction, string> = { off: 'Off', flag: 'Flag', reject: 'Reject' };
export type FraudRule = Exclude<keyof FraudSettings, `m${'in' | 'ax'}_${string}`>;
export const RULES: Record<FraudRule, [string, string]> = {
  click_after_install_begin: ['Click after the install began', 'The store had begun to install before the click came.'],
  short_click_to_install: ['Too fast', 'Less time between click and install than an install takes.'],
  device_frequency: ['Too many clicks', 'One device clicks more often than people do.'],
  address_frequency: ['A crowd of clicks', 'One address clicks more often than people do. Many people may share it.'],
  bot: ['Bots', 'The user agent calls itself one.'],
  malformed_advertising_id: ['Malformed advertising ids', 'No device has such an id.'],
  blocked_address: ['Blocked addresses', 'From one of the ranges below.'],
};

export interface OverrideForm {
  base?: Override;
  by: 'media_source' | 'link_id';
  name: string;
  click: number | null;
  impression: number | null;
}

export interface SettingsForm {
  click: Length;
  impression: Length;
  reattribution: Length;
  inactivity: Length;
  reengagement: Length;
  probabilistic: boolean;
  probabilisticClick: Length;
  probabilisticImpression: Length;
  rules: Record<FraudRule, FraudAction>;
  tooFast: number | null;
  maxClicks: number | null;
  maxClicksWithin: number | null;
  ranges: string;
  lateness: Length;
  lookback: Length;
  halfLife: Length;
  first: number | null;
  last: number | null;
  transform: string;
  impressions: boolean;
  orders: boolean;
  trusted: boolean;
  events: string;
  overrides: OverrideForm[];
}

/** Days of an override's window; an empty one stands for the app's own. */
const daysOf = (window: number | undefined) => (window ? window / DAY : null);

export function formOf(settings: Settings): SettingsForm {
  return {
    click: lengthOf(settings.click_window_ms),
    impression: lengthOf(settings.impression_window_ms),
    reattribution: lengthOf(settings.reattribution_window_ms),
    inactivity: lengthOf(settings.inactivity_ms),
    reengagement: lengthOf(settings.reengagement_window_ms),
    probabilistic: settings.probabilistic,
    probabilisticClick: lengthOf(settings.probabilistic_click_window_ms),
    probabilisticImpression: lengthOf(settings.probabilistic_impression_window_ms),
    rules: Object.fromEntries((Object.keys(RULES) as FraudRule[]).map((rule) => [rule, settings.fraud[rule]])) as Record<FraudRule, FraudAction>,
    tooFast: settings.fraud.min_click_to_install_ms / SECOND,
    maxClicks: settings.fraud.max_clicks,
    maxClicksWithin: settings.fraud.max_clicks_window_ms / SECOND,
    ranges: (settings.blocked_ranges ?? []).join('\n'),
    lateness: lengthOf(settings.lateness_ms),
    lookback: lengthOf(settings.lookback_ms),
    halfLife: lengthOf(settings.half_life_ms),
    first: percentOf(settings.position_first),
    last: percentOf(settings.position_last),
    transform: settings.transform,
    impressions: settings.impressions_in_mta,
    orders: settings.count_orders_once,
    trusted: settings.exclude_untrusted_revenue,
    events: (settings.conversion_events ?? []).join('\n'),
    overrides: (settings.overrides ?? []).map((one) => ({
      base: one,
      by: one.link_id ? 'link_id' : 'media_source',
      name: one.link_id || one.media_source || '',
      click: daysOf(one.click_window_ms),
      impression: daysOf(one.impression_window_ms),
    })),
  };
}

function overrideOf({ base, by, name, click, impression }: OverrideForm): Override {
  const { link_id: _link, media_source: _source, click_window_ms: _click, impression_window_ms: _impression, ...others } = base ?? {};
  return {
    ...others,
    [by]: name.trim(),
    ...(click ? { click_window_ms: Math.round(click * DAY) } : {}),
    ...(impression ? { impression_window_ms: Math.round(impression * DAY) } : {}),
  };
}

const lines = (text: string) => [
  ...new Set(
    text
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean),
  ),
];

/** What the form says, as a change of the version it was made from. */
export function settingsOf(form: SettingsForm, base: Settings): Settings {
  const { valid_from: _from, created_by: _by, ...known } = base;
  const [first, last] = [millionths(form.first), millionths(form.last)];
  return {
    ...known, // with whatever this form does not show
    click_window_ms: ms(form.click),
    impression_window_ms: ms(form.impression),
    overrides: form.overrides.map(overrideOf),
    reattribution_window_ms: ms(form.reattribution),
    inactivity_ms: ms(form.inactivity),
    reengagement_window_ms: ms(form.reengagement),
    probabilistic: form.probabilistic,
    probabilistic_click_window_ms: ms(form.probabilisticClick),
    probabilistic_impression_window_ms: ms(form.probabilisticImpression),
    fraud: {
      ...base.fraud,
      ...form.rules,
      min_click_to_install_ms: Math.round((form.tooFast ?? 0) * SECOND),
      max_clicks: Math.round(form.maxClicks ?? 0),
      max_clicks_window_ms: Math.round((form.maxClicksWithin ?? 0) * SECOND),
    },
    blocked_ranges: lines(form.ranges),
    lateness_ms: ms(form.lateness),
    lookback_ms: ms(form.lookback),
    half_life_ms: ms(form.halfLife),
    position_first: first,
    position_middle: 1_000_000 - first - last,
    position_last: last,
    transform: form.transform,
    impressions_in_mta: form.impressions,
    count_orders_once: form.orders,
    exclude_untrusted_revenue: form.trusted,
    conversion_events: lines(form.events),
  };
}

/** "7 days", "36 hours", "1 day". */
export function lengthText(length: number): string {
  const { amount, unit } = lengthOf(length);
  const text = String(Number((amount ?? 0).toFixed(2)));
  return `${text} ${text === '1' ? unit.slice(0, -1) : unit}`;
}

function weightText(weight: number): string {
  const { negative, whole, fraction } = rounded(BigInt(weight) * 100n, 4);
  const digits = fraction.replace(/0+$/, '');
  return `${negative ? '−' : ''}${whole}${digits && `.${digits}`} %`;
}

function overrideText(one: Override): string {
  const windows = [
    one.click_window_ms && `clicks ${lengthText(one.click_window_ms)}`,
    one.impression_window_ms && `impressions ${lengthText(one.impression_window_ms)}`,
  ].filter(Boolean);
  return `${one.link_id ? `link ${one.link_id}` : one.media_source}: ${windows.join(', ') || 'no window'}`;
}

/** What was stored before there were rules has none. */
function fraudText(fraud: FraudSettings | undefined): string {
  if (!fraud) return 'as by default';
  const rules = (Object.keys(RULES) as FraudRule[]).map(
    (rule) => `${RULES[rule][0].toLowerCase()}: ${ACTIONS[fraud[rule] as FraudAction].toLowerCase()}`,
  );
  return [
    ...rules,
    `under ${fraud.min_click_to_install_ms / SECOND} s`,
    `over ${fraud.max_clicks} clicks in ${fraud.max_clicks_window_ms / SECOND} s`,
  ].join('; ');
}

/** Each setting with its name and how its value reads. Settings that make sense only together are one. */
const FIELDS: { name: string; keys: (keyof Settings)[]; text: (settings: Settings) => string }[] = [
  { name: 'Click window', keys: ['click_window_ms'], text: (s) => lengthText(s.click_window_ms) },
  { name: 'Impression window', keys: ['impression_window_ms'], text: (s) => lengthText(s.impression_window_ms) },
  { name: 'Other windows', keys: ['overrides'], text: (s) => (s.overrides ?? []).map(overrideText).join('; ') || 'none' },
  { name: 'Re-attribution window', keys: ['reattribution_window_ms'], text: (s) => lengthText(s.reattribution_window_ms) },
  { name: 'Inactivity', keys: ['inactivity_ms'], text: (s) => lengthText(s.inactivity_ms) },
  { name: 'Re-engagement window', keys: ['reengagement_window_ms'], text: (s) => lengthText(s.reengagement_window_ms) },
  {
    name: 'Probabilistic matching',
    keys: ['probabilistic', 'probabilistic_click_window_ms', 'probabilistic_impression_window_ms'],
    text: (s) =>
      s.probabilistic
        ? `clicks ${lengthText(s.probabilistic_click_window_ms)}, impressions ${lengthText(s.probabilistic_impression_window_ms)}`
        : 'off',
  },
  { name: 'Rules against fraud', keys: ['fraud'], text: (s) => fraudText(s.fraud) },
  { name: 'Blocked addresses', keys: ['blocked_ranges'], text: (s) => (s.blocked_ranges ?? []).join(', ') || 'none' },
  { name: 'Late data', keys: ['lateness_ms'], text: (s) => lengthText(s.lateness_ms) },
  { name: 'Lookback', keys: ['lookback_ms'], text: (s) => lengthText(s.lookback_ms) },
  { name: 'Half-life', keys: ['half_life_ms'], text: (s) => lengthText(s.half_life_ms) },
  {
    name: 'Position weights',
    keys: ['position_first', 'position_middle', 'position_last'],
    text: (s) => [s.position_first, s.position_middle, s.position_last].map(weightText).join(' / '),
  },
  { name: 'Path', keys: ['transform'], text: (s) => TRANSFORMS[s.transform]?.[0] ?? s.transform },
  { name: 'Orders count once', keys: ['count_orders_once'], text: (s) => (s.count_orders_once ? 'yes' : 'no') },
  { name: 'Untrusted revenue', keys: ['exclude_untrusted_revenue'], text: (s) => (s.exclude_untrusted_revenue ? 'left out' : 'counts') },
  { name: 'Impressions in paths', keys: ['impressions_in_mta'], text: (s) => (s.impressions_in_mta ? 'yes' : 'no') },
  { name: 'Conversion events', keys: ['conversion_events'], text: (s) => (s.conversion_events ?? []).join(', ') || 'none' },
];

export interface Change {
  name: string;
  before: string;
  after: string;
}

/** What differs between two versions, in words. */
export function changesBetween(before: Settings, after: Settings): Change[] {
  return FIELDS.map(({ name, text }) => ({ name, before: text(before), after: text(after) })).filter((change) => change.before !== change.after);
}

/**
 * The reader's changes to `base`, made to `theirs` instead, which somebody else
 * saved in the meantime: what the reader changed stays theirs, everything else
 * is as it is now. `both` names what both have changed differently.
 */
export function rebase(base: Settings, mine: Settings, theirs: Settings): { settings: Settings; both: string[] } {
  const settings = { ...theirs };
  const both: string[] = [];
  for (const { name, keys, text } of FIELDS) {
    if (text(mine) === text(base)) continue;
    if (text(theirs) !== text(base) && text(theirs) !== text(mine)) both.push(name);
    for (const key of keys) Object.assign(settings, { [key]: mine[key] });
  }
  return { settings, both };
}
