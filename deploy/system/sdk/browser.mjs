// Sends calls through @segment/analytics-next in a real browser, once with
// each way that it has to deliver, and returns when all were answered.
//
//   PAGE       a page on another origin than the agent's, with the SDK on it
//   HOST       where the agent is
//   WRITE_KEY  of the app
//   CALLS      JSON: [{"method": "track", "arguments": […]}, …]
import { launch } from '../../../console/test/chromium.mjs';

const { PAGE, HOST, WRITE_KEY, CALLS } = process.env;
const TIMEOUT_MS = 40_000;
const calls = JSON.parse(CALLS);
const strategies = { standard: undefined, batching: { strategy: 'batching', config: { size: calls.length, timeout: TIMEOUT_MS } } };

/** What runs in the page. Everything but the key and the host comes from the agent's settings. */
async function send({ calls, host, writeKey, deliveryStrategy }) {
  const options = { integrations: { 'Segment.io': deliveryStrategy ? { deliveryStrategy } : {} } };
  const [analytics] = await globalThis.AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL: host }, options);
  for (const call of calls) {
    const context = await analytics[call.method](...call.arguments);
    const failure = context.failedDelivery?.();
    if (failure) throw new Error(`${call.method} was not delivered: ${failure.reason}`);
  }
}

async function visit(browser, name) {
  const faults = [];
  // LC_ALL=C makes Chromium report a locale that Intl refuses, so one is named.
  const page = await browser.newPage({ locale: 'en-US' });
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('requestfailed', (request) => faults.push(`${request.method()} ${request.url()}: ${request.failure().errorText}`));
  page.on('response', (response) => response.status() >= 400 && faults.push(`${response.status()} from ${response.url()}`));
  await page.goto(PAGE);
  const delivered = name === 'batching' && page.waitForResponse((response) => response.url() === `${HOST}/v1/b` && response.request().method() === 'POST');
  await page.evaluate(send, { calls, host: HOST, writeKey: WRITE_KEY, deliveryStrategy: strategies[name] });
  await delivered;
  await page.close();
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`);
}

const browser = await launch();
try {
  for (const name of Object.keys(strategies)) await visit(browser, name);
} finally {
  await browser.close();
}
