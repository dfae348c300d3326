// Takes pictures of every page on the mock server, light and dark, wide and
// narrow, for people to look at:  node test/shots.mjs DIRECTORY
import { launch } from './chromium.mjs';
import { OWNER, startMock } from './mock.mjs';

const directory = process.argv[2] ?? 'shots';
const only = process.argv[3];
const mock = await startMock();
const browser = await launch();
const app = `/apps/${mock.app}`;
const PAGES = {
  overview: `${app}/home`,
  revenue: `${app}/home?range=7d&metric=revenue`,
  campaigns: `${app}/campaigns`,
  why: `${app}/campaigns?why=media_source:tiktok`,
  paths: `${app}/paths`,
  start: `${app}/start`,
  models: `${app}/models`,
  conversions: `${app}/conversions`,
  journey: `${app}/journey?id=0199-conv-3`,
  journey2: `${app}/journey?id=0199-conv-8`,
  organic: `${app}/journey?id=0199-conv-2`,
  health: '/health',
  missing: '/nowhere',
  empty: '/apps/0198c1a2-none/home',
};
for (const [look, width, height, colorScheme] of [
  ['light', 1360, 900, 'light'],
  ['dark', 1360, 900, 'dark'],
  ['narrow', 390, 844, 'light'],
]) {
  const context = await browser.newContext({ baseURL: mock.url, locale: 'en-US', viewport: { width, height }, colorScheme, deviceScaleFactor: 1 });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && console.log(look, message.text()));
  page.on('pageerror', (error) => console.log(look, error));
  await page.goto('/');
  await page.getByLabel('Email').fill(OWNER.email);
  if (!only) await page.screenshot({ path: `${directory}/login-${look}.png` });
  await page.getByLabel('Password').fill(OWNER.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Home' }).waitFor();
  for (const [name, path] of Object.entries(PAGES)) {
    if (only && only !== name) continue;
    await page.goto(path);
    await page.waitForLoadState('networkidle');
    await page.waitForTimeout(500); // fades
    await page.screenshot({ path: `${directory}/${name}-${look}.png`, fullPage: true });
  }
  await context.close();
}
await browser.close();
mock.stop();
