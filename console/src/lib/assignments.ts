import type { Assignment } from './shapes.ts';

/** A role as it is edited: lists of names as text, one field each. */
export interface AssignmentForm {
  role: string;
  everywhere: boolean;
  apps: string[];
  mediaSources: string;
  countries: string;
}

const listed = (text: string) => [
  ...new Set(
    text
      .split(/[,\n]/)
      .map((one) => one.trim())
      .filter(Boolean),
  ),
];

export function formOf({ role, apps, media_sources, countries }: Assignment): AssignmentForm {
  return {
    role,
    everywhere: apps === '*',
    apps: apps === '*' ? [] : [...apps],
    mediaSources: (media_sources ?? []).join(', '),
    countries: (countries ?? []).join(', '),
  };
}

export function assignmentOf({ role, everywhere, apps, mediaSources, countries }: AssignmentForm): Assignment {
  const [sources, codes] = [listed(mediaSources), listed(countries).map((code) => code.toUpperCase())];
  return {
    role,
    apps: everywhere ? '*' : [...apps],
    ...(sources.length > 0 ? { media_sources: sources } : {}),
    ...(codes.length > 0 ? { countries: codes } : {}),
  };
}

/** Whether every role says where it holds. */
export function complete(forms: AssignmentForm[]): boolean {
  return forms.every(({ everywhere, apps }) => everywhere || apps.length > 0);
}
