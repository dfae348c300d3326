// Sends calls through SDKs for websites in a real browser, each on a device of
// its own, and returns when all of them were delivered.
//
//   RUNS       JSON: [{"client": "rudder", "host": "http://…", "refusals": 1, "calls": […]}, …]; all at once:
//              what speaks, where the agent is, how often it refuses each request first, and
//              [{"method": "track", "arguments": […]}, …]
//   PAGE       a page on another origin than the agent's; its path is followed by the client's
//   WRITE_KEY  of the app
import { launch } from '../../../console/test/chromium.mjs';

const { PAGE, RUNS, WRITE_KEY } = process.env;
const TIMEOUT_MS = 60_000;

// What runs in the page. Everything but the key and the host comes from the agent's settings.

async function segment({ calls, host, writeKey }) {
  const options = { integrations: { 'Segment.io': {} } };
  const [analytics] = await globalThis.AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL: host }, options);
  for (const call of calls) {
    const context = await analytics[call.method](...call.arguments);
    const failure = context.failedDelivery?.();
    if (failure) throw new Error(`${call.method} was not delivered: ${failure.reason}`);
  }
}

/** Time makes the batch: while another flush is due, one after a full batch or a late call, this SDK does not wait as it was told. */
async function segmentBatching({ calls, host, writeKey }) {
  const options = { integrations: { 'Segment.io': { deliveryStrategy: { strategy: 'batching', config: { size: 100, timeout: 2000 } } } } };
  const [analytics] = await globalThis.AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL: host }, options);
  await Promise.all(calls.map((call) => analytics[call.method](...call.arguments)));
}

async function rudder({ calls, host, writeKey }) {
  const { RudderAnalytics } = await import('/rudder/index.mjs');
  const analytics = new RudderAnalytics();
  await new Promise((resolve) => {
    analytics.load(writeKey, host, { configUrl: host, onLoaded: resolve });
  });
  for (const call of calls) analytics[call.method](...call.arguments);
}

const clients = { segment, 'segment batching': segmentBatching, rudder };

/** How many messages the body of a request has. */
const messages = (body) => JSON.parse(body).batch?.length ?? 1;

async function visit(browser, run) {
  const { client, host, refusals, calls } = run;
  const faults = [];
  // LC_ALL=C makes Chromium report a locale that Intl refuses, so one is named.
  const page = await (await browser.newContext({ locale: 'en-US' })).newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on('pageerror', (error) => faults.push(error.message));
  if (refusals === 0) {
    // An agent that refuses makes the browser and the SDKs complain of it in all of these ways.
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('requestfailed', (request) => faults.push(`${request.method()} ${request.url()}: ${request.failure().errorText}`));
    page.on('response', (response) => response.status() >= 400 && faults.push(`${response.status()} from ${response.url()}`));
  }
  let left = calls.length;
  const delivered = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${client}: ${left} messages were not delivered: ${faults.join('; ')}`)), TIMEOUT_MS);
    page.on('response', (response) => {
      const request = response.request();
      if (response.status() !== 200 || request.method() !== 'POST' || !response.url().startsWith(host)) return;
      left -= messages(request.postData());
      if (left > 0) return;
      clearTimeout(timer);
      resolve();
    });
  });
  await page.goto(PAGE);
  await Promise.all([delivered, page.evaluate(clients[client], { calls, host, writeKey: WRITE_KEY })]);
  await page.close();
  if (faults.length > 0) throw new Error(`${client}: ${faults.join('; ')}`);
}

const browser = await launch();
try {
  await Promise.all(JSON.parse(RUNS).map((run) => visit(browser, run)));
} finally {
  await browser.close();
}
