import { words } from './format.ts';

/** Words for the codes of the attribution engine, so that a marketer can read why. */

const VERDICTS: Record<string, [string, string]> = {
  won: ['Won', 'The latest eligible touch with the strongest evidence.'],
  window_expired: ['Too old', 'It was older than the lookback window that applied to it.'],
  lower_tier: ['Weaker evidence', 'Another touch had stronger evidence: a click beats an impression, a click id beats a device id.'],
  older_touch: ['Not the latest', 'A later touch had evidence of the same strength.'],
  after_conversion: ['Afterwards', 'It happened after the conversion, so it cannot have caused it.'],
  unknown_click_id: ['Unknown click id', 'The conversion names a click id that was never recorded.'],
  foreign_referrer: ['Foreign referrer', 'The install referrer belongs to somebody else’s link.'],
  fraud_rejected: ['Rejected as fraud', 'A fraud rule that this app has set to reject applied to the touch.'],
  consent_withheld: ['No consent', 'The person did not agree to attribution.'],
  not_retargeting: ['Not retargeting', 'Only a retargeting touch can win somebody back who has the app already.'],
  duplicate: ['Duplicate', 'The same touch is already counted under another id.'],
};

const RESULTS: Record<string, [string, string]> = {
  non_organic: ['Non-organic', 'A touch led to it.'],
  organic: ['Organic', 'No touch could be found.'],
  unattributed: ['Unattributed', 'There is evidence of a touch, but it cannot be used.'],
  reinstall: ['Reinstall', 'The app was installed before, inside the re-attribution window: not a new install.'],
  re_attribution: ['Re-attribution', 'Installed again after a retargeting touch.'],
  re_engagement: ['Re-engagement', 'An inactive user came back through a retargeting touch.'],
};

const MATCHES: Record<string, string> = {
  referrer: 'install referrer',
  click_id: 'click id',
  device_id: 'device id',
  anonymous_id: 'anonymous id',
  advertising_id: 'advertising id',
  gaid: 'Google advertising id',
  idfa: 'Apple advertising id (IDFA)',
  idfv: 'Apple vendor id (IDFV)',
  oaid: 'OAID',
  user_id: 'user id',
  probabilistic: 'probabilistic match',
};

export interface Explanation {
  name: string;
  reason: string;
}

function explain(table: Record<string, [string, string]>, code: string): Explanation {
  const found = Object.hasOwn(table, code) ? table[code] : undefined;
  return found ? { name: found[0], reason: found[1] } : { name: words(code), reason: '' };
}

/** The engine's reasons are phrases; this makes one a sentence. */
export function sentence(phrase: string): string {
  if (!phrase) return '';
  const text = phrase.charAt(0).toUpperCase() + phrase.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

export const verdict = (code: string): Explanation => explain(VERDICTS, code);
export const installResult = (code: string): Explanation => explain(RESULTS, code);

export function match(code: string | undefined): string {
  if (!code) return '';
  return (Object.hasOwn(MATCHES, code) ? MATCHES[code] : undefined) ?? words(code).toLowerCase();
}
