/** Geometry of the line chart: pure functions from numbers to positions and path text. */

export interface Scale {
  max: number;
  ticks: number[];
}

/** A scale from zero with about `wanted` round steps: 1, 2, 2.5 or 5 times a power of ten. */
export function niceScale(highest: number, wanted = 4, wholeSteps = true): Scale {
  if (!(highest > 0) || !Number.isFinite(highest)) return { max: 1, ticks: [0, 1] };
  const raw = highest / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 2.5, 5, 10].find((f) => f * power >= raw * (1 - 1e-9)) ?? 10;
  let step = factor * power;
  if (wholeSteps) step = Math.max(1, Math.ceil(step));
  const steps = Math.ceil(highest / step - 1e-9);
  return { max: steps * step, ticks: Array.from({ length: steps + 1 }, (_, i) => i * step) };
}

export interface Box {
  width: number;
  height: number;
  top: number;
  right: number;
  bottom: number;
  left: number;
}

export function xAt(index: number, points: number, box: Box): number {
  const inner = box.width - box.left - box.right;
  return points < 2 ? box.left + inner / 2 : box.left + (inner * index) / (points - 1);
}

export function yAt(value: number, max: number, box: Box): number {
  const inner = box.height - box.top - box.bottom;
  return box.top + inner * (1 - value / max);
}

/** The point whose x is nearest. */
export function nearest(x: number, points: number, box: Box): number {
  if (points < 2) return 0;
  const inner = box.width - box.left - box.right;
  const index = Math.round(((x - box.left) / Math.max(inner, 1)) * (points - 1));
  return Math.min(Math.max(index, 0), points - 1);
}

const place = (n: number) => Math.round(n * 10) / 10;

export function linePath(values: number[], max: number, box: Box): string {
  return values.map((value, i) => `${i ? 'L' : 'M'}${place(xAt(i, values.length, box))} ${place(yAt(value, max, box))}`).join('');
}

export function areaPath(values: number[], max: number, box: Box): string {
  if (values.length < 2) return '';
  const floor = place(yAt(0, max, box));
  const last = place(xAt(values.length - 1, values.length, box));
  return `${linePath(values, max, box)}L${last} ${floor}L${place(box.left)} ${floor}Z`;
}

/**
 * Which points get their label on the time axis: the first with each text,
 * evenly thinned to as many as fit, the last of them always among them.
 */
export function labelledPoints(texts: readonly string[], width: number, labelWidth = 70): number[] {
  const first = texts.flatMap((text, i) => (text === texts[i - 1] ? [] : [i]));
  const room = Math.max(2, Math.floor(width / labelWidth));
  const step = Math.max(1, Math.ceil((first.length - 1) / (room - 1)));
  return first.filter((_, i) => (first.length - 1 - i) % step === 0);
}
