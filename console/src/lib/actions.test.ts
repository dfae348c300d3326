import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ACTIONS } from './actions.ts';

const NOUNS = [...new Set(ACTIONS.map((action) => action.split('.')[0]))].join('|');

/** Words of the server's source that are written like an action: of a noun that has one. */
function written(): Set<string> {
  const found = new Set(['login']);
  const at = new URL('../../../aggregator/', import.meta.url);
  for (const file of readdirSync(at, { recursive: true, encoding: 'utf8' })) {
    // What the package access names are permissions.
    if (file.endsWith('.go') && !file.endsWith('_test.go') && !file.startsWith('access/')) {
      for (const [, action] of readFileSync(new URL(file, at), 'utf8').matchAll(new RegExp(`"((?:${NOUNS})\\.[a-z_.]+)"`, 'g')))
        found.add(action ?? '');
    }
  }
  for (const file of ['audit.ndjson', 'settings.json']) found.delete(file);
  return found;
}

it('names every action that the server writes, and no other', () => {
  expect([...ACTIONS].sort()).toEqual([...written()].sort());
});
