/** Wakes those who wait for something to happen that may happen often. To ring while nobody waits costs nothing. */
export class Bell {
  #next: PromiseWithResolvers<void> | undefined;

  /** Fulfilled when it rings next. */
  get next(): Promise<void> {
    return (this.#next ??= Promise.withResolvers()).promise;
  }

  ring(): void {
    this.#next?.resolve();
    this.#next = undefined;
  }
}
