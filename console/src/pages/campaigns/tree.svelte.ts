import { untrack } from 'svelte';
import { isAbort, type Api } from '../../lib/api.ts';
import { performance, valueOf, within, type Dimension, type Metric, type Performance, type Row } from '../../lib/performance.ts';
import type { Scope } from '../../lib/reports.ts';
import { Loader } from '../../lib/loader.svelte.ts';

/** What every level of the tree is asked. */
export interface Shape {
  /** The dimensions from the outermost to the innermost. */
  chain: readonly Dimension[];
  metrics: readonly Metric[];
  sort: string;
}

const ROWS = 100;

/** One row of the grid, and those below it once they were opened. */
export class Node {
  readonly row: Row;
  readonly depth: number;
  readonly dimension: Dimension;
  /** What narrows a report to this row. */
  readonly filters: string[];
  open = $state(false);
  state = $state<'idle' | 'loading' | 'failed'>('idle');
  children = $state.raw<Node[]>([]);
  cursor = $state<string | null>(null);

  constructor(row: Row, depth: number, dimension: Dimension, above: readonly string[]) {
    this.row = row;
    this.depth = depth;
    this.dimension = dimension;
    this.filters = within(above, row, dimension);
  }

  get key(): string {
    return this.filters.join('\n');
  }
  get name(): string {
    return valueOf(this.row, this.dimension);
  }
}

/** The grid's rows: the first level is asked at once, each further one when its row is opened. */
export class Tree {
  readonly first = new Loader<Performance>();
  roots = $state.raw<Node[]>([]);
  cursor = $state<string | null>(null);
  #api: Api | undefined;
  #scope: Scope | undefined;
  #shape: Shape | undefined;
  #signal: AbortSignal | undefined;

  /** The rows that are seen, outermost first, each with those below it. */
  readonly seen = $derived(this.roots.flatMap((node) => flat(node)));

  /** Starts over; use it in an effect. What was open is opened again. */
  load(api: Api, scope: Scope, shape: Shape): () => void {
    const controller = new AbortController();
    [this.#api, this.#scope, this.#shape, this.#signal] = [api, scope, shape, controller.signal];
    const opened = untrack(() => new Set(this.seen.filter(({ open }) => open).map(({ key }) => key)));
    const stop = this.first.load(async (signal) => {
      const answer = await this.#ask(0, [], null, signal);
      if (!signal.aborted) {
        this.roots = this.#nodes(answer, 0, []);
        this.cursor = answer.next_cursor ?? null;
        for (const node of this.roots) if (opened.has(node.key)) void this.open(node, opened);
      }
      return answer;
    });
    return () => {
      controller.abort();
      stop();
    };
  }

  expandable(node: Node): boolean {
    return node.depth + 1 < (this.#shape?.chain.length ?? 0);
  }

  async open(node: Node, also = new Set<string>()): Promise<void> {
    if (!this.expandable(node) || node.state === 'loading') return;
    node.open = true;
    if (node.children.length > 0) return;
    await this.#more(node);
    for (const child of node.children) if (also.has(child.key)) void this.open(child, also);
  }

  /** The next rows below one, or of the first level. */
  async #more(node: Node): Promise<void> {
    const signal = this.#signal;
    if (!signal) return;
    node.state = 'loading';
    try {
      const answer = await this.#ask(node.depth + 1, node.filters, node.cursor, signal);
      node.children = [...node.children, ...this.#nodes(answer, node.depth + 1, node.filters)];
      node.cursor = answer.next_cursor ?? null;
      node.state = 'idle';
    } catch (error) {
      if (!isAbort(error)) node.state = 'failed';
    }
  }

  async next(): Promise<void> {
    const signal = this.#signal;
    if (!signal || !this.cursor) return;
    const answer = await this.#ask(0, [], this.cursor, signal);
    this.roots = [...this.roots, ...this.#nodes(answer, 0, [])];
    this.cursor = answer.next_cursor ?? null;
  }

  #ask(depth: number, filters: readonly string[], cursor: string | null, signal: AbortSignal): Promise<Performance> {
    const [api, scope, shape] = [this.#api, this.#scope, this.#shape];
    const by = shape?.chain[depth];
    if (!api || !scope || !shape || !by) return Promise.reject(new Error('a level of the grid was asked for that is not there'));
    return performance(
      api,
      scope,
      { by: [by], within: filters, metrics: shape.metrics, sort: shape.sort, all: true, compare: true, limit: ROWS, cursor },
      signal,
    );
  }

  #nodes(answer: Performance, depth: number, above: readonly string[]): Node[] {
    const dimension = this.#shape?.chain[depth];
    return dimension ? answer.rows.map((row) => new Node(row, depth, dimension, above)) : [];
  }
}

function flat(node: Node): Node[] {
  return node.open ? [node, ...node.children.flatMap(flat)] : [node];
}
