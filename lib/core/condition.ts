/** Wakes those who wait for something to happen that may happen often. To notify while nobody waits costs nothing. */
export class Condition {
  #next: PromiseWithResolvers<void> | undefined;

  /** Fulfilled when it is notified next. */
  get next(): Promise<void> {
    return (this.#next ??= Promise.withResolvers()).promise;
  }

  notifyAll(): void {
    this.#next?.resolve();
    this.#next = undefined;
  }
}
