import type { Faults, ProxyFaults } from "../helpers/proxy.ts";
import type { Random } from "../helpers/random.ts";
import { pickWeighted, type Tally } from "./tally.ts";

/** What happens to a connection, and how often. */
const KINDS = { "none": 7, "cut": 6, "flip": 2, "delay": 2, "pause": 1, "stall": 1, "single bytes": 1 } as const;

/** A place in a connection, in bytes: the greeting, a request, or some megabytes on, all about as often. */
function place(random: Random): number {
  return 1 + random.below(2 ** (3 + random.below(21)));
}

function faults(kind: keyof typeof KINDS, random: Random): Faults {
  const cut = { after: place(random), by: random.pick(["reset", "end"] as const) };
  switch (kind) {
    case "cut":
      return { cut };
    case "flip":
      return { flip: { byte: place(random), bit: random.below(8) } };
    case "delay":
      return { delayMs: 1 + random.below(20) };
    case "pause":
      return { stallAfter: place(random), stallMs: 100 + random.below(3000) };
    case "stall":
      return { stallAfter: place(random) };
    case "single bytes":
      // A file in single bytes would take minutes.
      return { singleBytes: true, cut: { ...cut, after: Math.min(cut.after, 20_000) } };
    default:
      return {};
  }
}

/** At most one fault for each connection of a proxy. */
export class RandomFaults implements ProxyFaults {
  readonly #random: Random;
  readonly #tally: Tally;
  #current: ProxyFaults = {};

  constructor(random: Random, tally: Tally) {
    this.#random = random;
    this.#tally = tally;
  }

  /** The proxy looks at this once for each connection, before `toClient`. */
  get toServer(): Faults {
    const kind = pickWeighted(this.#random, KINDS);
    this.#tally.connections.add(kind);
    this.#current = { [this.#random.pick(["toServer", "toClient"])]: faults(kind, this.#random) };
    return this.#current.toServer ?? {};
  }

  /** The proxy looks at this once for each connection, after `toServer`. */
  get toClient(): Faults {
    return this.#current.toClient ?? {};
  }
}
