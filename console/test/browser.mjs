// Walks through the console in a real browser, as a person would, and checks
// what is on the screen against what the server answered.
//
//   CONSOLE_URL     where the console is; without it the mock server is used
//   ADMIN_EMAIL, ADMIN_PASSWORD   who signs in
//   APP_ID          the app to look at (default: the first in the list)
//   VIEWER_EMAIL, VIEWER_PASSWORD optional: somebody without raw.read
//   CHANGES=1       also makes, changes and deletes things (the mock server is always changed)
//   SCREENSHOTS     a directory for pictures (default: none are kept)
//   CHROMIUM        the browser (default: see chromium.mjs)
import { mkdirSync } from 'node:fs';
import { launch } from './chromium.mjs';
import { OWNER, startMock, TOTP, VIEWER } from './mock.mjs';
import { changeStudies, checkStudies } from './studies.mjs';
import { checkProvider } from './provider.mjs';
import { Visit } from './visit.mjs';
import {
  checkAccount,
  checkAgents,
  checkApps,
  checkAudit,
  checkFactor,
  checkLastOwner,
  checkLinks,
  checkPeople,
  checkRevoke,
  checkSettings,
} from './manage.mjs';
import { checkStart } from './start.mjs';
import { checkCampaigns, checkConversions, checkModels, checkHome, equal, signIn, signOut } from './steps.mjs';

const { env } = process;

async function settings() {
  if (env.CONSOLE_URL) {
    if (!env.ADMIN_EMAIL || !env.ADMIN_PASSWORD) throw new Error('CONSOLE_URL is set: set ADMIN_EMAIL and ADMIN_PASSWORD too');
    const viewer = env.VIEWER_EMAIL ? { email: env.VIEWER_EMAIL, password: env.VIEWER_PASSWORD } : null;
    return {
      url: env.CONSOLE_URL,
      admin: { email: env.ADMIN_EMAIL, password: env.ADMIN_PASSWORD },
      viewer,
      totp: null,
      app: env.APP_ID,
      changes: env.CHANGES === '1',
      stop() {},
    };
  }
  const mock = await startMock({ tokenLifeMs: 2500 }); // short, so that the walk renews its token many times
  return { url: mock.url, admin: OWNER, viewer: VIEWER, totp: TOTP, app: mock.app, changes: true, mocked: true, stop: mock.stop };
}

/** Everything that can be made, changed and deleted. */
async function manage(visit, admin, mocked) {
  await changeStudies(visit);
  await checkLinks(visit);
  await checkSettings(visit);
  await checkApps(visit);
  await checkPeople(visit);
  if (mocked) await checkLastOwner(visit);
  await checkAudit(visit);
  await checkAgents(visit);
  if (mocked) await checkRevoke(visit);
  await checkAccount(visit, admin);
  if (mocked) await checkFactor(visit, admin);
}

/** The whole walk, in one look. */
async function walk(visit, { admin, app, changes, mocked }) {
  const { page } = visit;
  await page.goto('/');
  await visit.inspect('login');
  await signIn(page, { email: admin.email, password: 'certainly-not-the-password' });
  await page.getByRole('alert').waitFor();
  await visit.picture('login-refused');
  await signIn(page, admin);
  await page.getByRole('heading', { name: 'Home', level: 1 }).waitFor();
  if (app) await page.goto(`/apps/${encodeURIComponent(app)}/home`);
  await checkHome(visit);
  await checkCampaigns(visit);
  await checkModels(visit);
  await checkStudies(visit);
  if (changes) await checkStart(visit);
  await checkConversions(visit);
  if (await page.getByRole('link', { name: 'Health' }).count()) {
    await page.getByRole('link', { name: 'Health' }).click();
    await page.getByRole('heading', { name: 'Aggregators' }).waitFor();
    await visit.inspect('cluster');
  }
  if (changes) await manage(visit, admin, mocked);
  await signOut(visit);
}

/** Every page again in another look, for pictures, contrast and overflow. */
async function glance(visit, { admin, app }, pages) {
  const { page } = visit;
  await page.goto('/');
  await visit.inspect('login');
  await signIn(page, admin);
  await page.getByRole('heading', { name: 'Home', level: 1 }).waitFor();
  const id = app ?? /\/apps\/([^/]+)/.exec(page.url())[1];
  for (const [name, path] of Object.entries(pages)) {
    if (path === '/') continue; // the page to sign in, seen already
    await page.goto(path.replace('APP', encodeURIComponent(id)));
    await visit.inspect(name);
  }
}

async function checkViewer(visit, viewer) {
  const { page } = visit;
  await page.goto('/');
  await signIn(page, viewer);
  await page.getByRole('heading', { name: 'Home', level: 1 }).waitFor();
  equal(await page.getByRole('link', { name: 'Models', exact: true }).count(), 1, 'a viewer sees the comparison');
  equal(await page.getByRole('link', { name: 'Conversions' }).count(), 0, 'a viewer does not see the conversions');
  equal(
    await page.getByRole('link', { name: /^(Get started|Keys & SDKs|People & roles|Sign-in|Audit|Health)$/ }).count(),
    0,
    'a viewer sees no page that is not open to them',
  );
  await page.goto(page.url().replace('/home', '/links'));
  await page.getByText(/that is all|No tracking link yet/).waitFor();
  equal(await page.getByRole('button', { name: /New link|Change|Delete/ }).count(), 0, 'a viewer is offered no change of a link');
  await page.goto(page.url().replace('/links', '/rules'));
  equal(await page.getByRole('spinbutton', { name: 'Click window' }).isDisabled(), true, 'a viewer reads the settings');
  equal(await page.getByRole('button', { name: /^Save/ }).count(), 0, 'a viewer is not offered to save them');
  await page.goto(page.url().replace('/rules', '/conversions'));
  await page.getByRole('heading', { name: 'Not open to you' }).waitFor();
}

async function checkTotp(visit, person) {
  const { page } = visit;
  await page.goto('/');
  await signIn(page, person);
  const field = page.getByLabel('Code from your authenticator app');
  await field.waitFor();
  equal(await field.evaluate((input) => input === document.activeElement), true, 'the code field has the focus');
  await visit.inspect('login-totp');
  await field.fill('000 000');
  await field.press('Enter');
  await page.getByRole('alert').waitFor();
  await field.fill(person.totp);
  await field.press('Enter');
  await page.getByRole('heading', { name: 'Home', level: 1 }).waitFor();
}

async function main() {
  const shots = env.SCREENSHOTS ?? '';
  if (shots) mkdirSync(shots, { recursive: true });
  const target = await settings();
  const browser = await launch();
  const wide = { width: 1360, height: 900 };
  const run = async (name, look, step) => {
    const visit = await Visit.start(browser, { url: target.url, name, shots, ...look });
    await step(visit);
    await visit.finish();
    console.log(`ok  ${name}`);
  };
  try {
    let pages;
    await run('light', { viewport: wide, colorScheme: 'light' }, async (visit) => {
      await walk(visit, target);
      pages = visit.pages;
    });
    await run('dark', { viewport: wide, colorScheme: 'dark' }, (visit) => glance(visit, target, pages));
    await run('narrow', { viewport: { width: 390, height: 844 }, colorScheme: 'light', narrow: true }, (visit) => glance(visit, target, pages));
    if (target.viewer) await run('viewer', { viewport: wide }, (visit) => checkViewer(visit, target.viewer));
    if (target.mocked) await run('provider', { viewport: wide }, checkProvider);
    if (target.totp) await run('totp', { viewport: wide }, (visit) => checkTotp(visit, target.totp));
  } finally {
    await browser.close();
    target.stop();
  }
}

main().then(
  () => console.log('The console works.'),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
