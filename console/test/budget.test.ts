import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';

/** What the first visit may cost, to sign in, and what the first page may with the frame around it: bytes of gzipped JavaScript and CSS. */
const BUDGETS = { login: 40_000, home: 50_000 };

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

/** What a first visit loads: to sign in, and then the first page with the frame around it. */
const VISITS: [number, ...string[]][] = [
  [BUDGETS.login, 'src/pages/login/Login.svelte'],
  [BUDGETS.home, 'src/parts/frame/Shell.svelte', 'src/pages/home/Home.svelte'],
];

it.each(VISITS)('within %s bytes loads %s', (budget, ...pages) => {
  const path = new URL('manifest.json', dist);
  if (!existsSync(path)) throw new Error('the console is not built; run `npm run build` before the tests');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Chunk>;
  const sizes = [...filesOf(manifest, ['index.html', ...pages])].map(
    (file) => [file, gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length] as const,
  );
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  console.log(`${pages.at(-1)}: ${total} bytes gzipped in ${sizes.length} files`);
  expect(total, JSON.stringify(sizes)).toBeLessThanOrEqual(budget);
});

it('every page is named in the build without inline scripts or styles', () => {
  const html = readFileSync(new URL('index.html', dist), 'utf8');
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
});
