// Looks at every page of the console that a link leads to, in a real browser,
// after somebody has stored scripts in every field. None may run, nothing may be
// asked of another host, and the content security policy must have had nothing to
// stop: it is the second wall, and what reaches it is a fault.
//
//   CONSOLE_URL, EMAIL, PASSWORD   where, and who signs in
//   APP_ID                         the app that is full of scripts
import { launch } from '../../../console/test/chromium.mjs';
import { signIn } from '../../../console/test/steps.mjs';

const { CONSOLE_URL, EMAIL, PASSWORD, APP_ID } = process.env;
const MOST_PAGES = 80;
const TIMEOUT_MS = 20_000;

const faults = new Set();
const browser = await launch();
const context = await browser.newContext({ baseURL: CONSOLE_URL, locale: 'en-US' });
const page = await context.newPage();
page.setDefaultTimeout(TIMEOUT_MS);
await page.addInitScript(() => {
  addEventListener('securitypolicyviolation', (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
});
page.on('dialog', (dialog) => {
  faults.add(`a dialog says ${dialog.message()}`);
  return dialog.dismiss();
});
page.on('pageerror', (error) => faults.add(`error at ${page.url()}: ${error.message}`));
page.on('console', (message) => {
  if (message.text().startsWith('policy violated') || /Content Security Policy|Trusted ?Types/i.test(message.text())) faults.add(`${message.text()} at ${page.url()}`);
});
page.on('request', (request) => {
  const url = new URL(request.url());
  if (url.origin !== CONSOLE_URL && url.protocol !== 'data:') faults.add(`${request.url()} was asked for at ${page.url()}`);
});
page.on('popup', (popup) => faults.add(`a window opened: ${popup.url()}`));

/** Waits until the page stands still, opens what is folded, and looks for what ran and where the scripts stand as text. */
async function look() {
  await page.waitForFunction(() => document.body.innerText.trim().length > 20 && !document.querySelector('[aria-busy=true], .wait'));
  const seen = await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
    for (const element of document.querySelectorAll('*')) {
      for (const type of ['mouseover', 'focus']) element.dispatchEvent(new Event(type, { bubbles: false }));
    }
    const handlers = [...document.querySelectorAll('*')].flatMap((element) => [...element.attributes].filter(({ name }) => name.startsWith('on')).map(({ name, value }) => `${element.localName} ${name}=${value}`));
    const links = [...document.querySelectorAll('[href], [src], [action]')].map((element) => element.getAttribute('href') ?? element.getAttribute('src') ?? element.getAttribute('action'));
    return { pwned: globalThis.pwned, handlers, scheme: links.filter((link) => /^\s*(javascript|data:text|vbscript)/i.test(link)), text: document.body.innerText.includes('pwned'), base: document.querySelectorAll('base, iframe, object, embed').length,
      next: [...document.querySelectorAll('a[href]')].map((a) => new URL(a.href)).filter((url) => url.origin === location.origin).map((url) => url.pathname + url.search) };
  });
  const where = page.url();
  if (seen.pwned !== undefined) faults.add(`script ${seen.pwned} ran at ${where}`);
  if (seen.handlers.length) faults.add(`handlers at ${where}: ${seen.handlers}`);
  if (seen.scheme.length) faults.add(`links at ${where}: ${seen.scheme}`);
  if (seen.base) faults.add(`${seen.base} frames or bases at ${where}`);
  if (page.url() !== where) faults.add(`${where} became ${page.url()}`);
  return seen;
}

await page.goto('/');
await signIn(page, { email: EMAIL, password: PASSWORD });
await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();

/** The shape of an address: of a list of a hundred things, three are looked at. */
const shape = (path) => path.replace(/^\/apps\/[^/?]+/, '/apps/APP').replace(/=[^&]*/g, '=').replace(/[^/?&=]{24,}/g, 'ID');
const queue = ['overview', 'models', 'conversions', 'links', 'keys', 'attribution'].map((name) => `/apps/${encodeURIComponent(APP_ID)}/${name}`).concat(['/apps', '/people', '/roles', '/audit', '/cluster', '/account', '/nowhere/<script>pwned=12</script>', `/apps/${encodeURIComponent('"><script>pwned=13</script>')}/overview`]);
const visited = new Set();
const shapes = new Map();
let withText = 0;
while (queue.length && visited.size < MOST_PAGES) {
  const path = queue.shift();
  if (visited.has(path)) continue;
  const times = shapes.get(shape(path)) ?? 0;
  if (times >= 3) continue;
  shapes.set(shape(path), times + 1);
  visited.add(path);
  await page.goto(path);
  const seen = await look().catch((error) => {
    faults.add(`${path}: ${error.message}`);
    return { next: [] };
  });
  if (seen.text) withText += 1;
  queue.push(...seen.next);
}
await browser.close();
if (withText < 8) faults.add(`only ${withText} of ${visited.size} pages show the scripts as text`);
console.log(`${visited.size} pages, ${withText} of them with scripts as text: ${[...shapes.keys()].join(' ')}`);
if (faults.size) {
  console.error([...faults].join('\n'));
  process.exit(1);
}
