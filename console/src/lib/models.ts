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

export const MODEL_RULES: Record<Model, string> = {
  first_touch: 'All credit to the first touch',
  last_touch: 'All credit to the last touch',
  linear: 'The same credit to every touch',
  time_decay: 'More credit the closer to the conversion',
  position_based: '40 % first, 40 % last, the rest between',
};

export function isModel(name: string | null): name is Model {
  return MODELS.some((model) => model === name);
}
