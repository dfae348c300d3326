import { defineConfig } from 'vitest/config';

// Two files from one source: a module for bundlers, and a script that sets window.unmogrowp.
export default defineConfig({
  publicDir: false,
  build: {
    target: 'es2020',
    minify: true,
    emptyOutDir: false, // the types are there too
    lib: {
      entry: 'src/index.ts',
      name: 'unmogrowp',
      formats: ['es', 'iife'],
      fileName: (format) => (format === 'es' ? 'unmogrowp.js' : 'unmogrowp.global.js'),
    },
  },
  test: { include: ['test/**/*.test.ts'] },
});
