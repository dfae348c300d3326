import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

const MAX_BYTES = 5000;

test(`the built files have at most ${MAX_BYTES} bytes with gzip`, async () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const outputs = await build({ root, logLevel: 'error', mode: 'production', build: { write: false } });
  const chunks = (Array.isArray(outputs) ? outputs : [outputs]).flatMap((output) => ('output' in output ? output.output : []));
  const sizes = chunks.map((chunk) => ({ file: chunk.fileName, bytes: gzipSync('code' in chunk ? chunk.code : chunk.source, { level: 9 }).length }));
  expect(sizes.map((size) => size.file).sort()).toEqual(['unmogrowp.global.js', 'unmogrowp.js']);
  for (const size of sizes) expect(size.bytes, size.file).toBeLessThanOrEqual(MAX_BYTES);
});
