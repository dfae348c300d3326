// Finds a browser: $CHROMIUM, else Debian's, else the one from npm (installed
// by `npm ci --prefix test/chromium`, for machines without a browser and root).
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

async function find() {
  if (process.env.CHROMIUM) return { executablePath: process.env.CHROMIUM, args: [] };
  for (const executablePath of ['/usr/bin/chromium', '/usr/bin/google-chrome']) {
    if (existsSync(executablePath)) return { executablePath, args: [] };
  }
  const require = createRequire(new URL('./chromium/', import.meta.url));
  let file;
  try {
    file = require.resolve('@sparticuz/chromium');
  } catch {
    throw new Error('There is no browser: set CHROMIUM, install chromium, or run `npm ci --prefix console/test/chromium`.');
  }
  const { default: packed } = await import(file);
  packed.setGraphicsMode = false;
  // Its own arguments are for functions in a cloud (a single process, no web security) and break here.
  return { executablePath: await packed.executablePath(), args: ['--headless=shell', '--disable-gpu'] };
}

export async function launch() {
  const { executablePath, args } = await find();
  return chromium.launch({ executablePath, args: [...args, '--no-sandbox', '--disable-dev-shm-usage'], timeout: 60_000 });
}
