/** Geometry of the paths: how many conversions went from which source to which, over the first steps. Pure. */

export interface Path {
  path: readonly string[];
  conversions: number;
}

export interface Block {
  step: number;
  name: string;
  count: number;
  y: number;
  height: number;
}

export interface Ribbon {
  step: number;
  from: string;
  to: string;
  count: number;
  y1: number;
  y2: number;
  height: number;
}

export interface Sankey {
  steps: number;
  blocks: Block[];
  ribbons: Ribbon[];
}

export const END = '\u0000end';
export const REST = '\u0000rest';

interface Shape {
  steps: number;
  height: number;
  gap: number;
  /** How many names a step shows; those with less are one block. */
  names: number;
}

/**
 * Lays paths out from the left, a column for each step. A path that converted is at its end, and
 * one that is longer than the steps stops at the last of them, so every column but the first
 * holds as many as those that came that far.
 */
export function sankey(paths: readonly Path[], { steps, height, gap, names }: Shape): Sankey {
  const taken = paths.filter(({ path }) => path.length > 0);
  const kept = Array.from({ length: steps }, (_, step) => namesOf(taken, step, names));
  const nameAt = (path: readonly string[], step: number) => {
    const name = path[step];
    if (name === undefined) return step === path.length ? END : undefined;
    return kept[step]?.has(name) ? name : REST;
  };
  const columns: Map<string, number>[] = Array.from({ length: steps }, () => new Map());
  const flows = new Map<string, Omit<Ribbon, 'y1' | 'y2' | 'height'>>();
  for (const { path, conversions } of taken) {
    for (let step = 0; step < steps; step++) {
      const name = nameAt(path, step);
      if (name === undefined) break;
      const column = columns[step];
      column?.set(name, (column.get(name) ?? 0) + conversions);
      const next = step + 1 < steps && name !== END ? nameAt(path, step + 1) : undefined;
      if (next === undefined) continue;
      const key = `${step}\n${name}\n${next}`;
      const flow = flows.get(key) ?? { step, from: name, to: next, count: 0 };
      flow.count += conversions;
      flows.set(key, flow);
    }
  }
  const total = Math.max(0, ...columns.map((column) => [...column.values()].reduce((a, b) => a + b, 0)));
  const tallest = Math.max(1, ...columns.map((column) => column.size));
  const scale = total > 0 ? Math.max(0, height - gap * (tallest - 1)) / total : 0;
  const blocks = columns.flatMap((column, step) => stack(column, step, scale, gap));
  return { steps, blocks, ribbons: ribbonsOf([...flows.values()], blocks, scale) };
}

/** The names of a step with the most conversions. */
function namesOf(paths: readonly Path[], step: number, most: number): Set<string> {
  const counts = new Map<string, number>();
  for (const { path, conversions } of paths) {
    const name = path[step];
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + conversions);
  }
  return new Set(
    [...counts]
      .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, most)
      .map(([name]) => name),
  );
}

/** The blocks of one step below each other: the greatest first, the rest and those that converted last. */
function stack(column: Map<string, number>, step: number, scale: number, gap: number): Block[] {
  const last = (name: string) => (name === END ? 2 : name === REST ? 1 : 0);
  const sorted = [...column].sort((a, b) => last(a[0]) - last(b[0]) || b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  let y = 0;
  return sorted.map(([name, count]) => {
    const block = { step, name, count, y, height: count * scale };
    y += block.height + gap;
    return block;
  });
}

function ribbonsOf(flows: Omit<Ribbon, 'y1' | 'y2' | 'height'>[], blocks: readonly Block[], scale: number): Ribbon[] {
  const at = new Map(blocks.map((block, order) => [`${block.step}\n${block.name}`, { order, out: block.y, in: block.y }]));
  const order = (step: number, name: string) => at.get(`${step}\n${name}`)?.order ?? 0;
  const sorted = flows.sort((a, b) => order(a.step, a.from) - order(b.step, b.from) || order(a.step + 1, a.to) - order(b.step + 1, b.to));
  return sorted.map((flow) => {
    const [source, target] = [at.get(`${flow.step}\n${flow.from}`), at.get(`${flow.step + 1}\n${flow.to}`)];
    const height = flow.count * scale;
    const ribbon = { ...flow, y1: source?.out ?? 0, y2: target?.in ?? 0, height };
    if (source) source.out += height;
    if (target) target.in += height;
    return ribbon;
  });
}
