import { isAbort, Problem } from './api.ts';

/** Something that the reader asked for: whether it is under way, and why it was refused. */
export class Task {
  busy = $state(false);
  problem = $state.raw<Problem>();

  /** Does it, unless it is being done already; answers whether it worked. */
  async run(work: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = undefined;
    try {
      await work();
      return true;
    } catch (error) {
      if (!isAbort(error)) this.problem = error instanceof Problem ? error : new Problem(0, 'Something went wrong', { detail: String(error) });
      return false;
    } finally {
      this.busy = false;
    }
  }
}
