import type { Faults, ProxyFaults } from "./proxy.ts";
import type { Random } from "./random.ts";

/** After so many bytes of either direction the greeting is certainly over. */
export const GREETING_BYTES = 100;

/** Where a connection may be cut: the direction, the first point in it, and the one after the last, in bytes. */
export type CutRange = readonly ["toServer" | "toClient", number, number];

/** Faults that cut one connection after the other, each at a random point, until there were `count` cuts. */
export class RandomCuts implements ProxyFaults {
  readonly #random: Random;
  readonly #ranges: readonly [CutRange, ...CutRange[]];
  /** How many connections there were in this run. */
  #connections = 0;
  /** What goes wrong with the connection that is being made. */
  #current: ProxyFaults = {};
  /** How many connections are still to be cut. */
  left: number;

  /**
   * @param ranges Each connection is cut in one of these. Now and then one is cut in the greeting, but none of the first
   * few, since a first connection is not tried again.
   */
  constructor(random: Random, count: number, ranges: readonly [CutRange, ...CutRange[]]) {
    this.#random = random;
    this.left = count;
    this.#ranges = ranges;
  }

  /** Says that a new run begins, whose first connections are to survive the greeting. */
  beginRun(): void {
    this.#connections = 0;
  }

  /** The proxy looks at this once for each connection, before `toClient`. */
  get toServer(): Faults {
    this.#current = this.#next();
    return this.#current.toServer ?? {};
  }

  /** The proxy looks at this once for each connection, after `toServer`. */
  get toClient(): Faults {
    return this.#current.toClient ?? {};
  }

  #next(): ProxyFaults {
    this.#connections++;
    if (this.left === 0) return {};
    this.left--;
    const [way, first, end] = this.#random.pick(this.#ranges);
    const [from, to] = this.#connections > 3 && this.#random.below(10) === 0 ? [1, GREETING_BYTES] : [first, end];
    return { [way]: { cut: { after: from + this.#random.below(to - from), by: this.#random.pick(["reset", "end"]) } } };
  }
}
