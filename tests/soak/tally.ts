import type { Random } from "../helpers/random.ts";

/** One of the keys; each as often as its value says. */
export function pickWeighted<K extends string>(random: Random, weights: Readonly<Record<K, number>>): K {
  const keys = Object.keys(weights) as K[];
  const sum = keys.reduce((sum, key) => sum + weights[key], 0);
  let rest = random.below(sum);
  for (const key of keys) {
    rest -= weights[key];
    if (rest < 0) return key;
  }
  throw new TypeError("the weights must be positive");
}

/** Counts things by name. */
export class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string, n = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + n);
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, n) => sum + n, 0);
  }

  /** How many of each, the most frequent first. */
  toString(): string {
    return [...this.#counts].sort(([, a], [, b]) => b - a).map(([name, n]) => `${n} ${name}`).join(", ");
  }
}

/** What a run has done. */
export class Tally {
  /** Cases by what was done. */
  readonly cases = new Counts();
  /** Failures that clients were told of, by code. */
  readonly failures = new Counts();
  /** Connections through the proxy, by what went wrong with them. */
  readonly connections = new Counts();
  /** What was done to the server. */
  readonly blows = new Counts();
  /** Files compared with what they must be. */
  files = 0;
  /** Partial files that were gone on with, and that were swept, when the line was quiet. */
  resumed = 0;
  swept = 0;
  /** Bytes that went through the proxies, in both directions. */
  bytes = 0;
}
