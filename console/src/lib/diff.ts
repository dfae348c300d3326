/** What an entry of the audit log tells of a change, as lines that people can read. */
export interface DetailLine {
  path: string;
  /** Undefined where there was nothing before. */
  before?: string;
  /** Undefined where there is nothing afterwards. */
  after?: string;
  changed: boolean;
}

const MAX_LINES = 200;
const MAX_DEPTH = 6;

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** Lists too are compared as a whole: their order is part of what they say. */
function leaves(value: unknown, path: string, into: Map<string, string>): void {
  const deep = path.split('.').length >= MAX_DEPTH;
  if (isFields(value) && !deep && Object.keys(value).length > 0) {
    for (const [name, inner] of Object.entries(value)) leaves(inner, path ? `${path}.${name}` : name, into);
  } else if (value !== undefined && path) {
    into.set(path, text(value));
  }
}

/** The lines of a detail: of a change what differs, of everything else what it holds. */
export function detailLines(detail: unknown): DetailLine[] {
  const change = isFields(detail) && 'before' in detail && 'after' in detail;
  const [before, after] = [new Map<string, string>(), new Map<string, string>()];
  leaves(change ? detail.before : {}, '', before);
  leaves(change ? detail.after : detail, '', after);
  const lines: DetailLine[] = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(path), after.get(path)];
    if (change && old === now) continue;
    lines.push({ path, ...(old === undefined ? {} : { before: old }), ...(now === undefined ? {} : { after: now }), changed: change });
  }
  return lines.slice(0, MAX_LINES);
}
