import { locale } from './format.ts';

/**
 * Days and instants. A day is "YYYY-MM-DD" in the app's time zone; what goes to
 * the server is the instant at which that day begins there. A range is
 * half-open: `to` is the first day that is not in it, as in the API.
 */
export type Day = string;

export interface Range {
  from: Day;
  to: Day;
  /** The preset this range came from; empty for dates that were picked. */
  preset: string;
}

/** Ranges by name; those of so many days end with today. */
export const PRESETS: Record<string, string> = {
  today: 'Today',
  yesterday: 'Yesterday',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
  '90d': 'Last 90 days',
  month: 'This month',
  'last-month': 'Last month',
  year: 'This year',
};
const DEFAULT_PRESET = '30d';
export const MAX_DAYS = 400;

const DAY_MS = 86_400_000;
const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;

/** The time zone itself if the browser knows it, else UTC. */
export function knownZone(name: string | undefined): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name || 'UTC' }).resolvedOptions().timeZone;
  } catch {
    return 'UTC';
  }
}

export function isDay(text: string | null): text is Day {
  if (!text || !DAY.test(text)) return false;
  const time = Date.parse(text);
  return !Number.isNaN(time) && new Date(time).toISOString().slice(0, 10) === text;
}

export function addDays(day: Day, days: number): Day {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);
}

export function daysBetween(from: Day, to: Day): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);
}

const wallFormats = new Map<string, Intl.DateTimeFormat>();

/** What a clock on the wall shows, as if it were UTC. */
function wall(time: number, zone: string): number {
  let format = wallFormats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    wallFormats.set(zone, format);
  }
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(time)) part[type] = Number(value);
  return Date.UTC(part.year ?? 0, (part.month ?? 1) - 1, part.day, part.hour, part.minute, part.second);
}

export function dayOf(time: number, zone: string): Day {
  return new Date(wall(time, zone)).toISOString().slice(0, 10);
}

/** The first instant of a day: midnight, or, where the clocks skip midnight, the moment after. */
export function startOfDay(day: Day, zone: string): number {
  const midnight = Date.parse(day);
  const offset = (time: number) => wall(time, zone) - time;
  const candidates = [midnight - offset(midnight - DAY_MS), midnight - offset(midnight + DAY_MS)].sort((a, b) => a - b);
  return candidates.find((time) => dayOf(time, zone) === day) ?? midnight;
}

/** Reads the range out of the URL; whatever is missing or impossible becomes the default. */
export function readRange(query: URLSearchParams, zone: string, now: number): Range {
  const from = query.get('from');
  const to = query.get('to');
  if (isDay(from) && isDay(to)) {
    const days = daysBetween(from, to);
    if (days > 0 && days <= MAX_DAYS) return { from, to, preset: '' };
  }
  const asked = query.get('range') ?? '';
  const preset = Object.hasOwn(PRESETS, asked) ? asked : DEFAULT_PRESET;
  return { ...presetRange(preset, dayOf(now, zone)), preset };
}

function presetRange(preset: string, today: Day): { from: Day; to: Day } {
  const to = addDays(today, 1);
  const month = `${today.slice(0, 8)}01`;
  if (preset === 'today') return { from: today, to };
  if (preset === 'yesterday') return { from: addDays(today, -1), to: today };
  if (preset === 'month') return { from: month, to };
  if (preset === 'last-month') return { from: `${addDays(month, -1).slice(0, 8)}01`, to: month };
  if (preset === 'year') return { from: `${today.slice(0, 5)}01-01`, to };
  return { from: addDays(to, -Number.parseInt(preset, 10)), to };
}

/** The days that a range is compared with: as many before it, or the same ones a year ago. */
export function rangeBefore({ from, to }: Range, compare: 'previous' | 'year'): Range {
  const days = daysBetween(from, to);
  if (compare === 'previous') return { from: addDays(from, -days), to: from, preset: '' };
  const past = new Date(Date.parse(from));
  past.setUTCFullYear(past.getUTCFullYear() - 1);
  const begins = past.toISOString().slice(0, 10);
  return { from: begins, to: addDays(begins, days), preset: '' };
}

/** "Last 30 days", or the days themselves. */
export function rangeName(range: Range): string {
  if (range.preset) return PRESETS[range.preset] ?? range.preset;
  const last = addDays(range.to, -1);
  return range.from === last ? dayMonth(range.from, 'UTC') : `${dayMonth(range.from, 'UTC')} – ${dayMonth(last, 'UTC')}`;
}

/** The range as the API takes it. */
export function rangeQuery(range: Range, zone: string): { from: string; to: string } {
  const instant = (day: Day) => new Date(startOfDay(day, zone)).toISOString().replace('.000Z', 'Z');
  return { from: instant(range.from), to: instant(range.to) };
}

function formatter(options: Intl.DateTimeFormatOptions): (time: number | string, zone: string) => string {
  const formats = new Map<string, Intl.DateTimeFormat>();
  return (time, zone) => {
    let format = formats.get(zone);
    if (!format) {
      format = new Intl.DateTimeFormat(locale, { ...options, timeZone: zone });
      formats.set(zone, format);
    }
    const instant = typeof time === 'string' ? Date.parse(time) : time;
    return Number.isNaN(instant) ? '–' : format.format(instant);
  };
}

export const dayMonth = formatter({ day: 'numeric', month: 'short' });
export const weekdayDate = formatter({ weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
export const dateTime = formatter({ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
export const dateTimeSeconds = formatter({
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
export const clock = formatter({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
/** "GMT+2", "UTC": which clock the times on the page follow. */
export function zoneName(time: number, zone: string): string {
  const parts = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'shortOffset' }).formatToParts(time);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? zone;
}

const SPANS: [number, string][] = [
  [DAY_MS, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** A length of time in its two largest units: "2 d 3 h", "41 s". */
export function span(ms: number): string {
  let rest = Math.abs(ms);
  const parts: string[] = [];
  for (const [size, unit] of SPANS) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) parts.push(`${n} ${unit}`);
    if (parts.length === 2 || (parts.length === 1 && n === 0)) break;
  }
  return parts.join(' ') || '0 s';
}

/** "just now", "4 min ago". */
export function ago(time: string | number, now: number): string {
  const ms = now - (typeof time === 'string' ? Date.parse(time) : time);
  if (Number.isNaN(ms)) return '–';
  if (ms < 5000) return 'just now';
  return `${span(ms).split(' ').slice(0, 2).join(' ')} ago`;
}
