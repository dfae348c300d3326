// Walks a real browser from the console to a real provider and back. The
// provider is that of deploy/children: whoever types a name is that person.
//
//   CONSOLE_URL, ADMIN_EMAIL, ADMIN_PASSWORD   where the console is, and its owner
//   ISSUER, CLIENT_ID, CLIENT_SECRET           the provider, at which the console is registered
//   PERSON                                     whoever signs in there, invited here
//   SCREENSHOTS                                a directory for pictures (default: none are kept)
import { ok } from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { launch } from './chromium.mjs';
import { equal, signIn } from './steps.mjs';

const { env } = process;
const STEP_MS = 20_000;

async function open(browser, faults) {
  const context = await browser.newContext({ baseURL: env.CONSOLE_URL, locale: 'en-US', viewport: { width: 1360, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  page.on('pageerror', (error) => faults.push(error.message));
  await page.addInitScript(() =>
    addEventListener('securitypolicyviolation', (event) => console.error(`policy violated: ${event.violatedDirective}`)),
  );
  page.on(
    'console',
    (message) => message.text().startsWith('policy violated') && page.url().startsWith(env.CONSOLE_URL) && faults.push(message.text()),
  );
  return page;
}

const picture = (page, name) => env.SCREENSHOTS && page.screenshot({ path: `${env.SCREENSHOTS}/${name}.png`, fullPage: true });

/** The owner configures the provider. */
async function configure(page) {
  await page.goto('/signin');
  await signIn(page, { email: env.ADMIN_EMAIL, password: env.ADMIN_PASSWORD });
  await page.getByRole('button', { name: 'Set up a provider' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Name/).fill('Acme');
  await dialog.getByLabel('Issuer').fill(`${env.ISSUER}/wrong`);
  await dialog.getByLabel('Client id').fill(env.CLIENT_ID);
  await dialog.getByLabel('Client secret').fill(env.CLIENT_SECRET);
  await dialog.getByRole('button', { name: 'Try and turn on' }).click();
  await dialog.getByRole('alert').getByText('configuration cannot be read').waitFor();
  await dialog.getByLabel('Issuer').fill(env.ISSUER);
  await picture(page, 'signin-configure');
  await dialog.getByRole('button', { name: 'Try and turn on' }).click();
  await page.getByRole('button', { name: 'Change', exact: true }).waitFor();
}

/** Goes to the provider and signs in there as somebody. */
async function visitProvider(page, person) {
  await page.getByRole('button', { name: 'Continue with Acme' }).click();
  await page.waitForURL((url) => url.href.startsWith(env.ISSUER));
  await page.locator('input[name=login]').fill(person);
  await page.locator('input[name=password]').fill('any');
  await picture(page, `signin-provider-${person}`);
  await page.locator('button[type=submit]').click();
  await page.locator('input[name=prompt][value=consent]').waitFor({ state: 'attached' });
  await page.locator('button[type=submit]').click();
  await page.waitForURL((url) => url.href.startsWith(env.CONSOLE_URL));
}

async function main() {
  if (env.SCREENSHOTS) mkdirSync(env.SCREENSHOTS, { recursive: true });
  const faults = [];
  const browser = await launch();
  try {
    await configure(await open(browser, faults));
    const stranger = await open(browser, faults);
    await stranger.goto('/');
    await visitProvider(stranger, 'mallory');
    await stranger.getByRole('alert').getByText('You have no account here').waitFor();
    await picture(stranger, 'signin-stranger');

    const page = await open(browser, faults);
    await page.goto('/account');
    await visitProvider(page, env.PERSON);
    await page.getByRole('heading', { name: 'Linked identities' }).waitFor();
    equal(new URL(page.url()).pathname, '/account', 'the person is where they wanted to be');
    ok((await page.locator('[popovertarget=user-menu]').innerText()).includes('Ann'), 'the person is signed in');
    await picture(page, 'signin-account');
    const cookies = (await page.context().cookies(env.CONSOLE_URL)).filter(({ name }) => name.startsWith('__Host-'));
    equal(
      cookies.map(({ name, httpOnly, secure, sameSite, path }) => [name, httpOnly, secure, sameSite, path]),
      [['__Host-unmogrowp_refresh', true, true, 'Strict', '/']],
      'one cookie is left',
    );
    await page.reload();
    await page.getByRole('heading', { name: 'Linked identities' }).waitFor();
    equal(faults, [], 'nothing went wrong on the way');
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
