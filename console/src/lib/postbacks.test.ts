import { expect, it } from 'vitest';
import { bodyOf, formOf, secretsOf } from './postbacks.ts';

it('turns a postback into a form and back', () => {
  const form = formOf({
    name: 'Partner',
    method: 'POST',
    format: 'json',
    url: 'https://partner.example/',
    body: '{}',
    headers: { 'X-A': 'b: c' },
    events: ['install', 'Order Completed'],
    countries: ['DE'],
    settle_minutes: 10,
  });
  expect(form.headers).toBe('X-A: b: c');
  expect(bodyOf(form)).toMatchObject({
    name: 'Partner',
    method: 'POST',
    headers: { 'X-A': 'b: c' },
    events: ['install', 'Order Completed'],
    countries: ['DE'],
    settle_minutes: 10,
    body: '{}',
  });
});

it('leaves secrets alone that nobody typed', () => {
  const form = formOf(undefined, ['a', 'b']);
  form.secrets.a = 'x';
  expect(bodyOf(form)).toMatchObject({ secrets: { a: 'x' } });
  expect(bodyOf(formOf(undefined, ['a']))).not.toHaveProperty('secrets');
  expect(bodyOf(formOf(undefined))).not.toHaveProperty('signing_secret');
});

it('drops empty lines and a body that is not sent', () => {
  const form = formOf(undefined);
  form.events = ' install \n\n';
  form.countries = 'de';
  form.body = 'left over';
  expect(bodyOf(form)).toMatchObject({ events: ['install'], countries: ['DE'], body: '' });
});

it('finds the secrets that a template names', () => {
  expect(secretsOf({ url: 'https://x/?t={secret.token}', headers: 'A: {secret.b-1}', body: '{secret.token} {click_id}' })).toEqual(['b-1', 'token']);
});
