// Finds a browser: $CHROMIUM, else Debian's, else one from npm, which is
// installed on first use and needs no root, no fonts and no system libraries.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const HERE = fileURLToPath(new URL('./chromium', import.meta.url));
const SYSTEM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const LAUNCH_MS = 60_000;

async function find() {
  const executablePath = process.env.CHROMIUM || SYSTEM.find((path) => existsSync(path));
  return executablePath ? { executablePath, args: [] } : fromNpm();
}

/** The package of ./chromium, unpacked below its own node_modules rather than in a directory shared with others. */
async function fromNpm() {
  const unpacked = join(HERE, 'node_modules', '.unpacked');
  if (!existsSync(join(HERE, 'node_modules', '@sparticuz'))) {
    console.log('There is no browser here: installing one from npm.');
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: HERE, stdio: 'inherit' });
  }
  mkdirSync(unpacked, { recursive: true });
  const before = { ...process.env };
  // The package unpacks to TMPDIR, and its libraries only where it believes to be in that cloud.
  Object.assign(process.env, { TMPDIR: unpacked, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' });
  const { default: packed } = await import(pathToFileURL(createRequire(join(HERE, 'package.json')).resolve('@sparticuz/chromium')));
  packed.setGraphicsMode = false;
  const executablePath = await packed.executablePath();
  process.env = before;
  const fonts = join(unpacked, 'fonts');
  const directories = [join(fonts, 'fonts'), '/usr/share/fonts'].map((path) => `<dir>${path.replaceAll('&', '&amp;')}</dir>`).join('');
  writeFileSync(
    join(fonts, 'fonts.conf'),
    `<?xml version="1.0"?><fontconfig>${directories}<cachedir prefix="xdg">fontconfig</cachedir></fontconfig>`,
  );
  return {
    executablePath,
    args: ['--headless=shell', '--disable-gpu'], // its own list is for a single process without web security
    env: { ...before, FONTCONFIG_PATH: fonts, LD_LIBRARY_PATH: join(unpacked, 'al2023', 'lib') },
  };
}

export async function launch() {
  const { args, ...found } = await find();
  return chromium.launch({ ...found, args: [...args, '--no-sandbox', '--disable-dev-shm-usage'], timeout: LAUNCH_MS });
}
