/** Collects what is to be done at intervals, so that a test can do it at once, until the end of the scope. */
export class HeldIntervals implements Disposable {
  readonly #set = globalThis.setInterval;
  readonly #clear = globalThis.clearInterval;
  readonly #held = new Map<number, () => void>();
  #last = 1_000_000;

  constructor() {
    const add = (what: () => void) => {
      this.#held.set(++this.#last, what);
      return this.#last;
    };
    const remove = (id?: number) => this.#held.delete(id ?? 0) || this.#clear(id);
    globalThis.setInterval = add as unknown as typeof setInterval;
    globalThis.clearInterval = remove as unknown as typeof clearInterval;
  }

  /** How many there are. */
  get count(): number {
    return this.#held.size;
  }

  /** Lets so many intervals pass. */
  pass(times = 1): void {
    for (let i = 0; i < times; i++) for (const what of [...this.#held.values()]) what();
  }

  [Symbol.dispose](): void {
    globalThis.setInterval = this.#set;
    globalThis.clearInterval = this.#clear;
  }
}
