/** Lets callers wait for an event that can happen often. Notifying costs nothing if nobody waits. */
export class Condition {
  #next: PromiseWithResolvers<void> | undefined;

  /** Fulfilled by the next `notifyAll`. */
  get next(): Promise<void> {
    return (this.#next ??= Promise.withResolvers()).promise;
  }

  notifyAll(): void {
    this.#next?.resolve();
    this.#next = undefined;
  }
}
