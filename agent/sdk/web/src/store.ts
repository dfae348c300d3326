/**
 * What the SDK keeps on the device: names with texts in localStorage, or in
 * memory where that is missing, full, or not permitted by the person.
 */
export class Store {
  private memory = new Map<string, string>();

  constructor(
    private readonly prefix: string,
    private kept: boolean,
  ) {
    if (!kept) this.clear();
  }

  get(name: string): string | undefined {
    if (this.kept) {
      try {
        return this.storage.getItem(this.prefix + name) ?? this.memory.get(name);
      } catch {
        // a page in a sandbox has no storage
      }
    }
    return this.memory.get(name);
  }

  /** Keeps a small text, in memory if it must be. An undefined value removes it. */
  set(name: string, value: string | undefined): void {
    this.memory.delete(name);
    if (value === undefined) this.remove(name);
    else if (!this.write(name, value)) this.memory.set(name, value);
  }

  /** Keeps a text on the device only. Says whether it is there. */
  write(name: string, value: string): boolean {
    if (!this.kept) return false;
    try {
      this.storage.setItem(this.prefix + name, value);
      return true;
    } catch {
      return false;
    }
  }

  remove(name: string): void {
    try {
      this.storage.removeItem(this.prefix + name);
    } catch {
      // nothing was there
    }
  }

  /** The names on the device that begin so. */
  names(beginning: string): string[] {
    const whole = this.prefix + beginning;
    try {
      return Object.keys(this.storage)
        .filter((key) => key.startsWith(whole))
        .map((key) => key.slice(this.prefix.length));
    } catch {
      return [];
    }
  }

  get permitted(): boolean {
    return this.kept;
  }

  /** Begins to keep texts on the device, or forgets all of them. */
  permit(kept: boolean): void {
    if (kept === this.kept) return;
    this.kept = kept;
    if (!kept) {
      this.clear();
      return;
    }
    const before = this.memory;
    this.memory = new Map();
    before.forEach((value, name) => this.set(name, value));
  }

  private clear(): void {
    this.memory.clear();
    for (const name of this.names('')) this.remove(name);
  }

  private get storage(): Storage {
    return globalThis.localStorage;
  }
}
