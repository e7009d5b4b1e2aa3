/** The clock of `performance.now()`, which can be moved forward, until the end of the scope. */
export class MovedClock implements Disposable {
  readonly #original = performance.now;
  #ms = 0;

  constructor() {
    performance.now = () => this.#original.call(performance) + this.#ms;
  }

  /** Moves it forward. */
  forward(ms: number): void {
    this.#ms += ms;
  }

  [Symbol.dispose](): void {
    performance.now = this.#original;
  }
}
