/** A semaphore: lets a number of callers at a time do something, in order. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a turn. @returns To be called when it is over; only the first call counts. */
  take(): Promise<() => void> | (() => void) {
    if (this.#free === 0) {
      return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.#begin());
    }
    this.#free--;
    return this.#begin();
  }

  #begin(): () => void {
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
