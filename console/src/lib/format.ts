import { micros, ONE, rounded } from './decimal.ts';

/**
 * The console speaks English, so it takes the reader's own English locale, or
 * British English. A locale that Intl refuses (Chromium reports "en-US@posix"
 * under LC_ALL=C) is skipped.
 */
export function chooseLocale(wanted: readonly string[]): string {
  for (const name of wanted) {
    if (!/^en\b/i.test(name)) continue;
    try {
      return Intl.getCanonicalLocales(name)[0] ?? 'en-GB';
    } catch {
      continue;
    }
  }
  return 'en-GB';
}

export const locale = chooseLocale(globalThis.navigator?.languages ?? []);

const MINUS = '\u2212';
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const point = new Intl.NumberFormat(locale).formatToParts(1.5).find((part) => part.type === 'decimal')?.value ?? '.';

export function count(value: number | bigint): string {
  return whole.format(value).replace('-', MINUS);
}

/** A decimal string at `places` decimals, exactly rounded. */
export function number(text: string | bigint, places = 2): string {
  const { negative, whole: units, fraction } = rounded(typeof text === 'bigint' ? text : micros(text), places);
  return `${negative ? MINUS : ''}${whole.format(units)}${fraction ? point + fraction : ''}`;
}

/** Formats a column of credited conversions: whole numbers if all are, else two places for each, so that the points align. */
export function creditColumn(column: readonly bigint[]): (value: bigint) => string {
  const places = column.every((value) => value % ONE === 0n) ? 0 : 2;
  return (value) => number(value, places);
}

/**
 * An amount with its currency, in the places that currency has, or at least in
 * `least` places: shares of an amount are finer than the amount.
 */
export function money(text: string | bigint, currency: string, least = 0): string {
  const value = typeof text === 'bigint' ? text : micros(text);
  const style = { style: 'currency', currency, currencyDisplay: 'narrowSymbol' } as const;
  let places: number;
  try {
    places = new Intl.NumberFormat(locale, style).resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return currency ? `${number(value)} ${currency}` : number(value);
  }
  places = Math.min(Math.max(places, least), 6);
  const format = new Intl.NumberFormat(locale, { ...style, minimumFractionDigits: places, maximumFractionDigits: places });
  const { negative, whole: units, fraction } = rounded(value, places);
  // Intl lays out the whole part as an integer, which it knows exactly; the digits after the point are put in by hand.
  const parts = format.formatToParts(units).map((part) => (part.type === 'fraction' ? fraction : part.value));
  return (negative ? MINUS : '') + parts.join('');
}

/** 0.25 or 250000n millionths as "25.0 %". */
export function percent(value: number | bigint, places = 1): string {
  const parts = typeof value === 'bigint' ? value : BigInt(Math.round(value * 1e6));
  return `${number(parts * 100n, places)}\u2009%`;
}

/** A difference with its sign: "+12.5 %", "−3.0 %", "±0". */
export function difference(value: bigint): string {
  const text = percent(value < 0n ? -value : value);
  if (text === percent(0n)) return '±0';
  return (value < 0n ? MINUS : '+') + text;
}

const compactFormat = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });

/** For axes, where room is scarce. */
export function compact(value: number): string {
  return compactFormat.format(value);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(value: number): string {
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${UNITS[unit]}`;
}

/** A name from the API ("re_attribution") as words ("Re attribution"), for names this version does not know. */
export function words(name: string): string {
  const text = name.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
