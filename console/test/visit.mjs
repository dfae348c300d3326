import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TIMEOUT_MS = 20_000;

/** One browser window, with everything noted that should not have happened in it. */
export class Visit {
  faults = [];
  /** Answers of the API, the latest for each path below /api/v1/. */
  answers = new Map();
  /** Paths of the pages that were looked at, with APP for the app's id. */
  pages = {};
  #refusal = 401;

  static async start(browser, { url, name, shots, narrow = false, ...look }) {
    const visit = new Visit();
    Object.assign(visit, { name, shots, narrow });
    // LC_ALL=C makes Chromium report a locale that Intl refuses, so one is named.
    const context = await browser.newContext({ baseURL: url, locale: 'en-US', reducedMotion: 'reduce', ...look });
    visit.page = await context.newPage();
    visit.page.setDefaultTimeout(TIMEOUT_MS);
    await visit.page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
    });
    visit.#listen();
    return visit;
  }

  #listen() {
    this.page.on('pageerror', (error) => this.faults.push(`error: ${error.message}`));
    this.page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      // The browser reports every 401; they are how a session is found to have ended.
      const status = Number(/status of (\d+)/.exec(message.text())?.[1]);
      if (status === 404 && /\/me\/(totp|tokens)$/.test(message.location().url)) return; // a server without them
      if ((status === 401 || status === this.#refusal) && message.location().url.includes('/api/v1/')) return;
      this.faults.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
    this.page.on('response', async (response) => {
      const url = new URL(response.url());
      if (response.status() >= 500) this.faults.push(`${response.status()} from ${url.pathname}`);
      if (!url.pathname.startsWith('/api/v1/') || !response.ok() || response.status() === 204) return;
      const body = await response.json().catch(() => null);
      const path = url.pathname.slice('/api/v1/'.length).replace(/^apps\/[^/]+\//, '');
      const asked = { 'reports/attribution': 'model', 'reports/performance': 'group_by' }[path];
      const compared = asked && url.searchParams.has('compare') ? ' compared' : '';
      this.answers.set(path + (asked ? `?${url.searchParams.get(asked)}${compared}` : ''), body);
    });
  }

  /** Does something that the server is to refuse with the status; the browser reports that, and it is no fault. */
  async refused(status, action) {
    this.#refusal = status;
    const reported = this.page.waitForEvent('console', (message) => message.text().includes(`status of ${status}`));
    await action();
    await reported;
    await this.page.getByRole('alert').waitFor();
    this.#refusal = 401;
  }

  /** Waits until the page is complete, then looks at it: accessibility, overflow, a picture. */
  async inspect(name, { revisit = true } = {}) {
    const { page } = this;
    await page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('[aria-busy=true], .wait'));
    if (revisit) this.pages[name] ??= (([url]) => url.pathname.replace(/^\/apps\/[^/]+/, '/apps/APP') + url.search)([new URL(page.url())]);
    await this.picture(name);
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    for (const { id, impact, nodes } of violations) {
      if (['serious', 'critical'].includes(impact))
        this.faults.push(
          `axe on ${name}: ${id} (${impact}) at ${nodes
            .slice(0, 3)
            .map((node) => node.html.slice(0, 160))
            .join(' | ')}`,
        );
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (overflow > 0) this.faults.push(`${name} is ${overflow} px wider than the window`);
  }

  async picture(name) {
    if (this.shots) await this.page.screenshot({ path: `${this.shots}/${name}-${this.name}.png`, fullPage: true });
  }

  async finish() {
    await this.page.context().close();
    if (this.faults.length > 0) throw new Error(`${this.name}:\n  ${[...new Set(this.faults)].join('\n  ')}`);
  }
}
