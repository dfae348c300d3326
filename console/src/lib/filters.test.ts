import { expect, it } from 'vitest';
import { filterLabel, filterText, only, parseFilter, withFilter } from './filters.ts';

it('reads what it writes, with every character that means something', () => {
  for (const values of [['google'], ['a,b', '!c', 'd\\e', 'f:g'], ['']]) {
    for (const not of [false, true]) {
      const filter = { field: 'campaign', not, values };
      expect(parseFilter(filterText(filter))).toEqual(filter);
    }
  }
});

it('takes nothing that is no filter', () => {
  for (const text of ['', 'google', ':x', 'password:x', 'constructor:x']) expect(parseFilter(text)).toBeNull();
});

it('keeps one filter for each field', () => {
  expect(withFilter(['media_source:a', 'country:DE'], only('media_source', 'b'))).toEqual(['country:DE', 'media_source:b']);
});

it('says what it narrows to', () => {
  expect(filterLabel('country:!DE,AT')).toBe('Country: not DE or AT');
  expect(filterLabel(only('campaign', ''))).toBe('Campaign: none');
});
