import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';

/** What the first visit may cost, in bytes of gzipped JavaScript and CSS. */
const BUDGET = 40_000;

const dist = new URL('../dist/', import.meta.url);

interface Chunk {
  file: string;
  css?: string[];
  imports?: string[];
}

/** The files that a page needs: the entry, the page's own chunk, and all that they import. */
function filesOf(manifest: Record<string, Chunk>, names: string[]): Set<string> {
  const files = new Set<string>();
  const visit = (name: string): void => {
    const chunk = manifest[name];
    if (!chunk) throw new Error(`the build has no ${name}; run \`npm run build\` again`);
    if (files.has(chunk.file)) return;
    files.add(chunk.file);
    for (const css of chunk.css ?? []) files.add(css);
    for (const needed of chunk.imports ?? []) visit(needed);
  };
  names.forEach(visit);
  return files;
}

it.each(['src/pages/login/Login.svelte', 'src/pages/home/Overview.svelte'])('%s loads within the budget', (page) => {
  const path = new URL('manifest.json', dist);
  if (!existsSync(path)) throw new Error('the console is not built; run `npm run build` before the tests');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Chunk>;
  const sizes = [...filesOf(manifest, ['index.html', page])].map(
    (file) => [file, gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length] as const,
  );
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  console.log(`${page}: ${total} bytes gzipped in ${sizes.length} files`);
  expect(total, JSON.stringify(sizes)).toBeLessThanOrEqual(BUDGET);
});

it('every page is named in the build without inline scripts or styles', () => {
  const html = readFileSync(new URL('index.html', dist), 'utf8');
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
});
