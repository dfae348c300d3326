import type { Api } from './api.ts';
import type { Answer } from './contract.ts';
import { withFilter } from './filters.ts';
import { percent } from './format.ts';
import { MODEL_RULES, type Model } from './models.ts';
import { span } from './dates.ts';
import { asked, path, type Scope } from './reports.ts';

/** What stands behind one cell: its role on the journeys, what each model says, and the paths that carry it. */
export type Why = Answer<'apps/{app}/reports/why'>;
export type Insights = Answer<'apps/{app}/reports/insights'>;

export function why(api: Api, scope: Scope, cell: readonly string[], signal: AbortSignal): Promise<Why> {
  return api.get(
    path(scope.app, 'reports/why'),
    { ...asked(scope), filter: cell.reduce(withFilter, scope.filters), event: scope.event, model: scope.model },
    signal,
  );
}

export function insights(api: Api, scope: Scope, signal: AbortSignal): Promise<Insights> {
  return api.get(
    path(scope.app, 'reports/insights'),
    { ...asked(scope), event: scope.event, compare: scope.compare === 'none' ? null : scope.compare },
    signal,
  );
}

/** A model's rule in words, with the app's own numbers in it. */
export function ruleText(model: string, rule: Record<string, number> | null | undefined): string {
  const part = (name: string) => percent(BigInt(rule?.[name] ?? 0), 0);
  if (model === 'time_decay' && rule?.half_life_ms) return `Half the credit for each ${span(rule.half_life_ms)} before the conversion`;
  if (model === 'position_based' && rule?.first !== undefined)
    return `${part('first')} to the first, ${part('last')} to the last, ${part('middle')} to those between`;
  if (model === 'markov') return 'What would be lost without it, learned from all paths';
  if (model === 'shapley') return 'Its average part in all combinations of sources, learned from all paths';
  return MODEL_RULES[model as Model] ?? model;
}
