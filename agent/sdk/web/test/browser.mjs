// Sends calls through the built SDK in a real browser and returns when the
// agent has answered all of them.
//
//   RUNS       JSON: [{"scenario": "story", "host": "http://…"}, …]: what happens, and where the agent is
//   PAGE       a page of a shop on another origin than the agent's, with the SDK on it
//   WRITE_KEY  of the app
//   CALLS      JSON: [{"method": "track", "arguments": […]}, …]
import { launch } from '../../../../console/test/chromium.mjs';

const { RUNS, PAGE, WRITE_KEY, CALLS } = process.env;
const TIMEOUT_MS = 40_000;
const calls = JSON.parse(CALLS);

/** What runs in the page: every call, and then until nothing waits. */
async function send({ calls, host, writeKey, wait, nearest }) {
  const sdk = globalThis.unmogrowp;
  const client = sdk.init({ host, writeKey, nearest, consent: { attribution: true, analytics: true, ads: true }, onFault: (fault) => console.error(JSON.stringify(fault)) });
  for (const { method, arguments: args } of calls) {
    if (sdk[method](...args) === false) throw new Error(`${method} was not taken`);
  }
  while (wait && !(await client.flush())) await new Promise((resolve) => setTimeout(resolve, 50));
}

const settled = async () => {
  while (!(await globalThis.unmogrowp.flush())) await new Promise((resolve) => setTimeout(resolve, 50));
};
const kept = () => Object.keys(localStorage).filter((key) => key.includes('.queue.'));

async function open(context, faults) {
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on('pageerror', (error) => faults.push(error.message));
  // A refusal or a lost network that the test made is written there by the browser itself.
  page.on('console', (message) => message.type() === 'error' && !message.text().startsWith('Failed to load resource') && faults.push(message.text()));
  await page.goto(PAGE);
  return page;
}

const argument = (host, wait) => ({ calls, host, writeKey: WRITE_KEY, wait });

const scenarios = {
  async story(context, host, faults) {
    const page = await open(context, faults);
    await page.evaluate(send, argument(host, true));
    return page;
  },

  /** The calls are made without a network, in two tabs. One tab closes; the other brings the messages of both when the network is back. */
  async offline(context, host, faults) {
    const page = await open(context, faults);
    const other = await open(context, faults);
    await context.setOffline(true);
    await page.evaluate(send, argument(host, false));
    await other.evaluate(send, argument(host, false));
    await other.waitForTimeout(2500); // some attempts fail
    if ((await page.evaluate(kept)).length !== 2) throw new Error('the messages are not on the device');
    await other.goto('about:blank');
    await context.setOffline(false);
    await page.evaluate(settled);
    const third = await open(context, faults); // as the next page of a visit
    await third.evaluate(send, { ...argument(host, true), calls: [] });
    await third.evaluate(settled);
    return third;
  },

  /** The page looks for the nearest agent, and its calls are made when that is found. */
  async nearest(context, host, faults) {
    const page = await open(context, faults);
    await page.evaluate(send, { ...argument(host, true), nearest: true, calls: [] });
    await page.waitForFunction(() => Object.keys(localStorage).some((key) => key.endsWith('.edge')), undefined, { timeout: TIMEOUT_MS });
    await page.evaluate(send, argument(host, true));
    return page;
  },

  /** The page goes away with the calls just made. The next page sends what was not answered. */
  async leave(context, host, faults) {
    const page = await open(context, faults);
    await page.evaluate(send, argument(host, false));
    await page.goto(PAGE + '&next');
    await page.evaluate(send, { ...argument(host, true), calls: [] });
    return page;
  },
};

/** Runs a scenario on a device of its own. */
async function run(browser, { scenario, host }) {
  const faults = [];
  const context = await browser.newContext({ locale: 'en-US' });
  const page = await scenarios[scenario](context, host, faults);
  await page.waitForFunction(() => Object.keys(localStorage).every((key) => !key.includes('.queue.')), undefined, { timeout: TIMEOUT_MS });
  if (faults.length > 0) throw new Error(`${scenario}: ${faults.join('; ')}`);
}

const browser = await launch();
try {
  await Promise.all(JSON.parse(RUNS).map((one) => run(browser, one)));
} finally {
  await browser.close();
}
