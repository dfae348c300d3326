import { expect, it } from 'vitest';
import { carried, changed, href, parseRoute, type Route } from './route.ts';

it('reads paths', () => {
  expect(parseRoute('/')).toEqual({ page: 'first' });
  expect(parseRoute('/login')).toEqual({ page: 'first' });
  expect(parseRoute('/health')).toEqual({ page: 'health' });
  expect(parseRoute('/apps')).toEqual({ page: 'apps' });
  expect(parseRoute('/apps/shop/keys')).toEqual({ page: 'keys', app: 'shop' });
  expect(parseRoute('/apps/shop/home')).toEqual({ page: 'home', app: 'shop' });
  expect(parseRoute('/apps/shop/home/')).toEqual({ page: 'home', app: 'shop' });
});

it('follows the addresses of before', () => {
  expect(parseRoute('/apps/shop/overview')).toEqual({ page: 'home', app: 'shop' });
  expect(parseRoute('/apps/shop/attribution')).toEqual({ page: 'rules', app: 'shop' });
  expect(parseRoute('/cluster')).toEqual({ page: 'health' });
});

it('calls everything else missing', () => {
  for (const path of [
    '/x',
    '/keys',
    '/constructor',
    '/apps/shop',
    '/apps/shop/people',
    '/apps/shop/secrets',
    '/apps/shop/overview/more',
    '/apps/%/overview',
    '/cluster/x',
    '/apps/shop/constructor',
  ]) {
    expect(parseRoute(path), path).toEqual({ page: 'missing' });
  }
});

it('writes what it reads, for any app id', () => {
  for (const app of ['shop', 'a/b', 'a b', '100%', 'ü', '..', '?x#y']) {
    const route: Route = { page: 'models', app };
    expect(parseRoute(new URL(href(route), 'http://console.test').pathname)).toEqual(app === '..' ? { page: 'missing' } : route);
  }
});

it('writes the pages that belong to no app', () => {
  for (const page of ['apps', 'people', 'roles', 'audit', 'health', 'signin', 'account'] as const)
    expect(parseRoute(href({ page }))).toEqual({ page });
  expect(href({ page: 'first' })).toBe('/');
  expect(href({ page: 'missing' })).toBe('/');
});

it('carries what the bar says to another page, and nothing else', () => {
  const query = new URLSearchParams('from=2026-01-01&to=2026-02-01&metric=clicks&currency=EUR&id=7&filter=country:DE&filter=ad:x');
  expect(carried(query).toString()).toBe('from=2026-01-01&to=2026-02-01&filter=country%3ADE&filter=ad%3Ax&currency=EUR');
});

it('changes some filters and keeps the others', () => {
  const query = new URLSearchParams('range=7d&metric=clicks');
  expect(changed(query, { metric: 'revenue', range: null }).toString()).toBe('metric=revenue');
  expect(query.toString()).toBe('range=7d&metric=clicks');
});

it('puts a list in as several', () => {
  expect(changed(new URLSearchParams('filter=a&x=1'), { filter: ['b', 'c'] }).toString()).toBe('x=1&filter=b&filter=c');
  expect(changed(new URLSearchParams('filter=a'), { filter: [] }).toString()).toBe('');
});
