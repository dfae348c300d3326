// Sends calls through server SDKs, as their customers do, and returns when they
// say that all of them were delivered.
//
//   RUNS       JSON: [{"client": "segment", "host": "http://…"}, …]; all at once
//   WRITE_KEY  of the app
//   MODULES    the directory that the SDKs were installed in
//   CALLS      JSON: [{"method": "track", "message": {…}}, …]
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { RUNS, WRITE_KEY, MODULES, CALLS } = process.env;
const FLUSH_MS = 50_000;
const require = createRequire(join(MODULES, 'package.json'));

const clients = {
  segment(host) {
    const { Analytics } = require('@segment/analytics-node');
    const client = new Analytics({ writeKey: WRITE_KEY, host, maxEventsInBatch: 3 });
    client.on('error', ({ code, reason }) => fail('segment', `${code}: ${reason}`));
    return { client, timestamp: 'timestamp', finish: () => client.closeAndFlush({ timeout: FLUSH_MS }) };
  },
  rudder: (host) => rudder(host, true),
  'rudder plain': (host) => rudder(host, false),
};

function rudder(host, gzip) {
  const Rudder = require('@rudderstack/rudder-sdk-node');
  const client = new (Rudder.default ?? Rudder)(WRITE_KEY, { dataPlaneUrl: host, flushAt: 3, gzip, logLevel: 'none' });
  return { client, timestamp: 'originalTimestamp', finish: () => client.flush() };
}

function fail(name, reason) {
  console.error(`${name}: ${reason}`);
  process.exitCode = 1;
}

async function tell({ client: name, host }) {
  const { client, timestamp, finish } = clients[name](host);
  const answers = JSON.parse(CALLS).map(({ method, message }) => {
    if (message.timestamp) {
      const moment = new Date(message.timestamp);
      delete message.timestamp;
      message[timestamp] = moment;
    }
    return new Promise((resolve) => {
      client[method](message, (error) => {
        if (error) fail(name, error);
        resolve();
      });
    });
  });
  await finish();
  await Promise.all(answers);
}

await Promise.all(JSON.parse(RUNS).map(tell));
