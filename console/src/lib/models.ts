/** The five models that every conversion is credited under, in the order they are always shown. */
export const MODELS = ['first_touch', 'last_touch', 'linear', 'time_decay', 'position_based'] as const;
export type Model = (typeof MODELS)[number];

export const MODEL_NAMES: Record<Model, string> = {
  first_touch: 'First touch',
  last_touch: 'Last touch',
  linear: 'Linear',
  time_decay: 'Time decay',
  position_based: 'Position based',
};

/** The two that learn from all paths together; a run each night computes them. */
export const LEARNED_NAMES = { markov: 'Markov chain', shapley: 'Shapley value' } as const;
export type AnyModel = Model | keyof typeof LEARNED_NAMES;
export const ANY_MODEL_NAMES: Record<AnyModel, string> = { ...MODEL_NAMES, ...LEARNED_NAMES };
export const ANY_MODELS = Object.keys(ANY_MODEL_NAMES) as AnyModel[];

export function isAnyModel(name: string | null): name is AnyModel {
  return ANY_MODELS.some((model) => model === name);
}

export const MODEL_RULES: Record<Model, string> = {
  first_touch: 'All credit to the first touch',
  last_touch: 'All credit to the last touch',
  linear: 'The same credit to every touch',
  time_decay: 'More credit the closer to the conversion',
  position_based: 'Most credit to the first and the last touch, the rest to those between',
};
