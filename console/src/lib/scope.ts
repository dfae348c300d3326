import type { Assignment, User } from './shapes.ts';

/** Whether an assignment is for the whole installation: all apps, not narrowed to media sources or countries. */
export function isWhole({ apps, media_sources, countries }: Assignment): boolean {
  return apps === '*' && !media_sources?.length && !countries?.length;
}

/** Whether the reader has a role everywhere; to make an app, or anything else that belongs to no app, takes one. */
export function holdsEverywhere(user: User | undefined): boolean {
  return user?.roles?.some(isWhole) ?? false;
}

/** "3 apps, only newsletter, only DE and AT": what an assignment reaches. */
export function reach({ apps, media_sources, countries }: Assignment, nameOf: (app: string) => string): string {
  const parts = [apps === '*' ? 'all apps' : apps.length <= 2 ? apps.map(nameOf).join(' and ') : `${apps.length} apps`];
  for (const [list, noun] of [
    [media_sources, 'media sources'],
    [countries, 'countries'],
  ] as const) {
    if (list?.length) parts.push(`only ${list.length <= 3 ? list.join(', ') : `${list.length} ${noun}`}`);
  }
  return parts.join(', ');
}
