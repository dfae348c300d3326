import { expect, it } from 'vitest';
import { bodyOf, clickUrl, formOf, impressionUrl, targetName } from './links.ts';
import type { Link } from './managed.ts';

const link: Link = {
  id: 'l1',
  app: 'a1',
  slug: 'spring',
  media_source: 'meta',
  campaign: 'sale',
  retargeting: true,
  stores: { ios: 'https://apps.example.com/1' },
  fallback: 'https://example.com',
  created_at: '2026-01-01T00:00:00Z',
};

it('sends back what it was given, without what only the server sets', () => {
  expect(bodyOf(formOf(link))).toEqual({
    slug: 'spring',
    media_source: 'meta',
    campaign: 'sale',
    adset: '',
    ad: '',
    keyword: '',
    retargeting: true,
    fallback: 'https://example.com',
    deep_links: {},
    stores: { ios: 'https://apps.example.com/1' },
    redirects: {},
  });
});

it('leaves out empty destinations and the spaces around what was typed', () => {
  const form = formOf();
  form.media_source = ' meta ';
  form.targets.deep_links.android = ' shop://x ';
  form.targets.deep_links.web = '  ';
  expect(bodyOf(form)).toMatchObject({ slug: '', media_source: 'meta', deep_links: { android: 'shop://x' }, stores: {}, redirects: {} });
});

it('keeps destinations that are for one country', () => {
  const form = formOf({ ...link, redirects: { 'ios/DE': 'https://example.com/de', '*/FR': 'https://example.com/fr' } });
  expect(bodyOf(form).redirects).toEqual({ 'ios/DE': 'https://example.com/de', '*/FR': 'https://example.com/fr' });
  form.targets.redirects['*/FR'] = '';
  expect(bodyOf(form).redirects).toEqual({ 'ios/DE': 'https://example.com/de' });
  expect(['web', 'ios/DE', '*/FR'].map(targetName)).toEqual(['Web', 'iOS in DE', 'Any platform in FR']);
});

it('does not change the link that it edits', () => {
  const form = formOf(link);
  form.targets.stores.ios = 'https://other.example.com';
  expect(link.stores?.ios).toBe('https://apps.example.com/1');
});

it('writes the addresses of a link', () => {
  expect(clickUrl('https://in.example.org', 'a-b')).toBe('https://in.example.org/c/a-b');
  expect(impressionUrl('https://in.example.org', 'a-b')).toBe('https://in.example.org/i/a-b');
});
