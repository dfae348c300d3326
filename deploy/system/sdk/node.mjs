// Sends calls through a server SDK, as its customers do, and returns when it
// says that all of them were delivered.
//
//   CLIENT     segment or rudder
//   HOST       where the agent is
//   WRITE_KEY  of the app
//   MODULES    the directory that the SDKs were installed in
//   CALLS      JSON: [{"method": "track", "message": {…}}, …]
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { CLIENT, HOST, WRITE_KEY, MODULES, CALLS } = process.env;
const FLUSH_MS = 50_000;
const require = createRequire(join(MODULES, 'package.json'));

const clients = {
  segment() {
    const { Analytics } = require('@segment/analytics-node');
    const client = new Analytics({ writeKey: WRITE_KEY, host: HOST, maxEventsInBatch: 3 });
    client.on('error', ({ code, reason }) => fail(`${code}: ${reason}`));
    return { client, finish: () => client.closeAndFlush({ timeout: FLUSH_MS }) };
  },
  rudder() {
    const Rudder = require('@rudderstack/rudder-sdk-node');
    const client = new (Rudder.default ?? Rudder)(WRITE_KEY, { dataPlaneUrl: HOST, flushAt: 3 });
    return { client, finish: () => client.flush() };
  },
};

function fail(reason) {
  console.error(`${CLIENT}: ${reason}`);
  process.exitCode = 1;
}

const { client, finish } = clients[CLIENT]();
let open = 0;
const settled = new Promise((resolve) => {
  for (const { method, message } of JSON.parse(CALLS)) {
    open++;
    if (message.timestamp) {
      const timestamp = new Date(message.timestamp);
      delete message.timestamp;
      message[CLIENT === 'rudder' ? 'originalTimestamp' : 'timestamp'] = timestamp;
    }
    client[method](message, (error) => {
      if (error) fail(error);
      if (--open === 0) resolve();
    });
  }
});
await finish();
await settled;
