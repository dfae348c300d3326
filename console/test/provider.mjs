// Signing in at a provider, and its configuration.
import { ok } from 'node:assert/strict';
import { equal } from './steps.mjs';

const dialog = (page) => page.getByRole('dialog');

/** Only on the mock server, whose provider answers in turn: a stranger, then somebody with a second factor. */
export async function checkProvider(visit) {
  const { page } = visit;
  await page.goto('/apps');
  await page.getByRole('button', { name: 'Continue with Acme' }).click();
  await page.getByRole('alert').getByText('You have no account here').waitFor();
  equal(new URL(page.url()).pathname + new URL(page.url()).search, '/apps', 'the reason is no part of the address');
  await visit.inspect('login-provider', { revisit: false });
  await page.getByRole('button', { name: 'Continue with Acme' }).click();
  const field = page.getByLabel('Code from your authenticator app');
  await field.waitFor();
  equal(await field.evaluate((input) => input === document.activeElement), true, 'the code field has the focus');
  equal(await page.getByLabel('Password').count(), 0, 'no password is asked for besides');
  await field.fill('000 000');
  await visit.refused(403, () => field.press('Enter'));
  await visit.inspect('login-provider-code', { revisit: false });
  await field.fill('123 456');
  await field.press('Enter');
  await page.getByRole('heading', { name: 'Apps', level: 1 }).waitFor();
  await checkIdentities(visit);
  await checkSettings(visit);
}

async function checkIdentities(visit) {
  const { page } = visit;
  await page.goto('/account');
  await page.getByRole('heading', { name: 'Linked identities' }).waitFor();
  await visit.inspect('account-linked', { revisit: false });
  await page.getByRole('button', { name: 'Unlink owner@example.com' }).click();
  await dialog(page).getByRole('button', { name: 'Unlink' }).click();
  await page.getByRole('heading', { name: 'Linked identities' }).waitFor({ state: 'detached' });
}

async function checkSettings(visit) {
  const { page } = visit;
  await page.goto('/signin');
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  ok(
    (await dialog(page).getByRole('region', { name: 'The redirect URI' }).innerText()).endsWith('/api/v1/auth/oidc/callback'),
    'the redirect URI is shown',
  );
  equal(await dialog(page).getByLabel('Client secret').inputValue(), '', 'the secret is not shown');
  await dialog(page).getByLabel('Issuer').fill('http://login.example.com');
  await dialog(page).getByLabel('Let people in whom nobody invited').check();
  await dialog(page).getByLabel('Of these email domains').fill('example.com');
  await visit.refused(400, () => dialog(page).getByRole('button', { name: 'Try and save' }).click());
  await visit.inspect('provider-dialog', { revisit: false });
  await dialog(page).getByLabel('Issuer').fill('https://login.example.com');
  await dialog(page).getByLabel(/^Name/).fill('Northwind');
  await dialog(page).getByRole('button', { name: 'Try and save' }).click();
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  await dialog(page).getByRole('button', { name: 'Remove the provider' }).click();
  await dialog(page).getByRole('button', { name: 'Yes, remove it' }).click();
  await page.getByRole('button', { name: 'Set up a provider' }).waitFor();
}
