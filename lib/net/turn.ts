import { setImmediate } from "node:timers/promises";

/** How long one connection may keep the event loop to itself, in ms. */
const MAX_TURN_MS = 4;

/**
 * A share of the event loop. Reads and writes that can be done at once do not let anybody else run, so that a fast peer
 * could keep the whole server to itself; whoever works in a loop asks now and then whether its turn is over.
 */
export class Turn {
  #began = performance.now();

  /** Whether it is time to call `pass`. */
  get isOver(): boolean {
    return performance.now() - this.#began >= MAX_TURN_MS;
  }

  /** Lets everybody else run, then begins anew. */
  async pass(): Promise<void> {
    await setImmediate();
    this.#began = performance.now();
  }
}
