/**
 * Exact decimal arithmetic on millionths, the unit the server shares credit and
 * revenue in. Nothing here passes through a float, so a sum on the screen is
 * the sum of the rows to the last digit.
 */

const SCALE = 6;
export const ONE = 1_000_000n;

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d*))?$/;

/** Reads "117.333334" as 117333334 millionths. More than six decimals are refused: the server never sends them. */
export function micros(text: string): bigint {
  const match = DECIMAL.exec(text);
  const fraction = match?.[3] ?? '';
  if (!match || fraction.length > SCALE) throw new RangeError(`"${text.slice(0, 40)}" is not a decimal number of at most six places`);
  const value = BigInt(match[2] + fraction.padEnd(SCALE, '0'));
  return match[1] === '-' ? -value : value;
}

/** Writes millionths as the server would: always six places. */
export function decimal(value: bigint): string {
  const size = value < 0n ? -value : value;
  const fraction = (size % ONE).toString().padStart(SCALE, '0');
  return `${value < 0n ? '-' : ''}${size / ONE}.${fraction}`;
}

export function sum(values: Iterable<string>): bigint {
  let total = 0n;
  for (const value of values) total += micros(value);
  return total;
}

/** Rounds to `places` decimals, half away from zero, and answers the whole part and the digits after the point. */
export function rounded(value: bigint, places: number): { negative: boolean; whole: bigint; fraction: string } {
  const unit = 10n ** BigInt(SCALE - places);
  const size = value < 0n ? -value : value;
  const steps = (size + unit / 2n) / unit;
  const perWhole = 10n ** BigInt(places);
  return {
    negative: value < 0n && steps > 0n,
    whole: steps / perWhole,
    fraction: places > 0 ? (steps % perWhole).toString().padStart(places, '0') : '',
  };
}

/** part ÷ whole in millionths, for percentages and differences; null where there is nothing to divide by. */
export function ratio(part: bigint, whole: bigint): bigint | null {
  if (whole === 0n) return null;
  const negative = part < 0n !== whole < 0n;
  const top = (part < 0n ? -part : part) * ONE;
  const bottom = whole < 0n ? -whole : whole;
  const size = (top + bottom / 2n) / bottom;
  return negative ? -size : size;
}

/** For drawing only: a length on the screen does not need the last digit. */
export function approximate(value: bigint): number {
  return Number(value) / Number(ONE);
}
