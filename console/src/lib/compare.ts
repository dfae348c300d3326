import { micros, ratio } from './decimal.ts';
import { MODELS, type Model } from './models.ts';
import type { AttributionReport } from './shapes.ts';

/** What one media source gets under one model. */
export interface Credit {
  conversions: bigint;
  revenue: bigint;
}

export interface ComparedRow {
  mediaSource: string;
  credit: Record<Model, Credit>;
}

export interface Comparison {
  rows: ComparedRow[];
  /** The sums of the rows, computed here. */
  total: Record<Model, Credit>;
  /** Models whose total, as the server states it, is not the sum of its rows. It must stay empty. */
  disagreeing: Model[];
}

export type Measure = keyof Credit;

function everyModel<T>(make: (model: Model) => T): Record<Model, T> {
  return Object.fromEntries(MODELS.map((model) => [model, make(model)])) as Record<Model, T>;
}

/** Puts five reports side by side, greatest credit under the base model first. */
export function compare(reports: Record<Model, AttributionReport>, base: Model): Comparison {
  const rows = new Map<string, ComparedRow>();
  for (const model of MODELS) {
    for (const row of reports[model].rows ?? []) {
      const mediaSource = row.media_source ?? '';
      let compared = rows.get(mediaSource);
      if (!compared) {
        compared = { mediaSource, credit: everyModel(() => ({ conversions: 0n, revenue: 0n })) };
        rows.set(mediaSource, compared);
      }
      compared.credit[model].conversions += micros(row.conversions);
      compared.credit[model].revenue += micros(row.revenue);
    }
  }
  const sorted = [...rows.values()].sort(
    (a, b) =>
      descending(a.credit[base].revenue, b.credit[base].revenue) ||
      descending(a.credit[base].conversions, b.credit[base].conversions) ||
      a.mediaSource.localeCompare(b.mediaSource, 'en'),
  );
  const total = everyModel((model) => ({
    conversions: sorted.reduce((all, row) => all + row.credit[model].conversions, 0n),
    revenue: sorted.reduce((all, row) => all + row.credit[model].revenue, 0n),
  }));
  const disagreeing = MODELS.filter((model) => {
    const stated = reports[model].total;
    return micros(stated.conversions) !== total[model].conversions || micros(stated.revenue) !== total[model].revenue;
  });
  return { rows: sorted, total, disagreeing };
}

function descending(a: bigint, b: bigint): number {
  return a === b ? 0 : a > b ? -1 : 1;
}

/** How far a value lies from the base model's, in millionths of the base; null where the base is nothing and the value is not. */
export function differenceFrom(base: bigint, value: bigint): bigint | null {
  if (base === value) return 0n;
  return ratio(value - base, base);
}
