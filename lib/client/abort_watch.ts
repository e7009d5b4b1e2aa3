/** Those who wait for the same signal, and the one listener that tells them. */
interface Group<T> {
  readonly waiting: Set<T>;
  readonly listener: () => void;
}

/**
 * Who is to be told when a signal is aborted. All who wait for the same signal share one listener: to remove one of many
 * from a signal takes longer the more there are.
 */
export class AbortWatch<T> {
  readonly #groups = new Map<AbortSignal, Group<T>>();
  readonly #onAbort: (who: T) => void;

  /** @param onAbort Called for each who waits for a signal that is aborted. Must not throw. */
  constructor(onAbort: (who: T) => void) {
    this.#onAbort = onAbort;
  }

  /** Begins to watch a signal for `who`, who is told at once if it is aborted already. */
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
