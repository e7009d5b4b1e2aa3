/** The watchers of one signal, and their common listener. */
interface Group<T> {
  readonly waiting: Set<T>;
  readonly listener: () => void;
}

/**
 * Calls back when a signal is aborted. All watchers of a signal share one listener: removing one of many listeners takes
 * longer the more there are.
 */
export class AbortWatch<T> {
  readonly #groups = new Map<AbortSignal, Group<T>>();
  readonly #onAbort: (who: T) => void;

  /** @param onAbort Called for each value whose signal is aborted. Must not throw. */
  constructor(onAbort: (who: T) => void) {
    this.#onAbort = onAbort;
  }

  /** Watches a signal for `who`; calls back at once if it is aborted already. */
  add(signal: AbortSignal | undefined, who: T): void {
    if (!signal) return;
    if (signal.aborted) return this.#onAbort(who);
    let group = this.#groups.get(signal);
    if (!group) {
      const waiting = new Set<T>();
      group = { waiting, listener: () => waiting.forEach((each) => this.#onAbort(each)) };
      this.#groups.set(signal, group);
      signal.addEventListener("abort", group.listener);
    }
    group.waiting.add(who);
  }

  /** Ends what `add` began. */
  remove(signal: AbortSignal | undefined, who: T): void {
    if (!signal) return;
    const group = this.#groups.get(signal);
    if (!group?.waiting.delete(who) || group.waiting.size > 0) return;
    this.#groups.delete(signal);
    signal.removeEventListener("abort", group.listener);
  }
}
