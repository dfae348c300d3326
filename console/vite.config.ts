import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/**
 * Empties dist before the new files are written, but keeps the committed
 * placeholder page, without which the Go package would not compile.
 */
function emptyDist(): Plugin {
  let dist = '';
  return {
    name: 'empty-dist',
    apply: 'build',
    configResolved(config) {
      dist = join(config.root, config.build.outDir);
    },
    async generateBundle(_, __, isWrite) {
      if (!isWrite) return;
      const names = await readdir(dist).catch(() => []);
      const stale = names.filter((name) => name !== 'placeholder.html');
      await Promise.all(stale.map((name) => rm(join(dist, name), { recursive: true })));
    },
  };
}

export default defineConfig({
  plugins: [svelte(), emptyDist()],
  publicDir: false,
  build: {
    target: 'es2022',
    emptyOutDir: false, // emptyDist does it
    assetsInlineLimit: 0, // the content security policy allows files, not data in markup
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: 'parts', test: /src\/(parts\/(frame\/PageHead|form\/Choice|table\/Source)|lib\/models)\./ }] },
        // The first file names all the others: short hashes make it smaller, and 48 bits tell versions apart.
        entryFileNames: 'assets/[name]-[hash:8].js',
        chunkFileNames: 'assets/[name]-[hash:8].js',
        assetFileNames: 'assets/[name]-[hash:8][extname]',
      },
    },
    manifest: 'manifest.json', // read by the size budget
  },
  server: {
    port: 5173,
    proxy: { '/api': process.env.CONSOLE_API ?? 'http://127.0.0.1:3001' },
  },
  // Tests run the client's half of Svelte, as the browser does.
  ...(process.env.VITEST ? { resolve: { conditions: ['browser'] } } : {}),
  test: { include: ['src/**/*.test.ts', 'test/**/*.test.ts'] },
});
