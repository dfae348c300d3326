/**
 * What a report is narrowed to, as the API takes it and as the address keeps it:
 * "field:value", "field:!value" for all but it, several values by commas.
 */

export interface Filter {
  field: string;
  not: boolean;
  values: string[];
}

export const FIELDS: Record<string, string> = {
  media_source: 'Source',
  campaign: 'Campaign',
  adset: 'Ad set',
  ad: 'Ad',
  keyword: 'Keyword',
  country: 'Country',
  platform: 'Platform',
  app_version: 'App version',
  link: 'Link',
  sub1: 'Sub 1',
  sub2: 'Sub 2',
  sub3: 'Sub 3',
  sub4: 'Sub 4',
  sub5: 'Sub 5',
};

const escaped = (value: string) => value.replace(/[\\,!]/g, '\\$&');

/** Reads one; null for what is none. */
export function parseFilter(text: string): Filter | null {
  const at = text.indexOf(':');
  const field = text.slice(0, at);
  if (at < 1 || !Object.hasOwn(FIELDS, field)) return null;
  let rest = text.slice(at + 1);
  const not = rest.startsWith('!');
  if (not) rest = rest.slice(1);
  const values = [''];
  for (let i = 0; i < rest.length; i++) {
    const char = rest.charAt(i);
    if (char === ',') values.push('');
    else values[values.length - 1] += char === '\\' && i + 1 < rest.length ? rest.charAt(++i) : char;
  }
  return { field, not, values };
}

export function filterText({ field, not, values }: Filter): string {
  return `${field}:${not ? '!' : ''}${values.map(escaped).join(',')}`;
}

export const only = (field: string, value: string): string => filterText({ field, not: false, values: [value] });

/** The filters with one more; it takes the place of another of the same field. */
export function withFilter(filters: readonly string[], more: string): string[] {
  const field = more.slice(0, more.indexOf(':') + 1);
  return [...filters.filter((one) => !one.startsWith(field)), more];
}

/** "Source: google", "Country: not DE or AT". */
export function filterLabel(text: string): string {
  const filter = parseFilter(text);
  if (!filter) return text;
  return `${FIELDS[filter.field]}: ${filter.not ? 'not ' : ''}${filter.values.map((value) => value || 'none').join(' or ')}`;
}
