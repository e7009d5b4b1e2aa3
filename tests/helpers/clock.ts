/** The clock of `performance.now()`, which can be moved forward, until the end of the scope. */
export class MovedClock implements Disposable {
  readonly #original = performance.now;
  #ms = 0;

  /** @param runs Whether it goes on by itself; one that stands lets no other program's work look like time of a test. */
  constructor(runs = true) {
    const began = performance.now();
    performance.now = () => (runs ? this.#original.call(performance) : began) + this.#ms;
  }

  /** Moves it forward. */
  forward(ms: number): void {
    this.#ms += ms;
  }

  [Symbol.dispose](): void {
    performance.now = this.#original;
  }
}
