import { setTimeout } from "node:timers/promises";
import { networkOf } from "../net/address.ts";

/** How long a client waits for the answer to a wrong proof, whatever was wrong, in ms. */
const FAILURE_DELAY_MS = 1_000;

/** How many failures an address may have within the window; after that even the right secret is refused. */
const MAX_FAILURES = 5;

/** How long a failure counts, in ms. */
const FAILURE_WINDOW_MS = 60_000;

/** The most addresses that are remembered; the oldest are forgotten first. */
const MAX_ADDRESSES = 10_000;

/**
 * Remembers who failed to authenticate, so that nobody can try many secrets. All addresses of one IPv6 network count as
 * one, since their owner can use any of them.
 */
export class Guard {
  readonly #failures = new Map<string, number[]>();

  /** Whether an address has failed too often of late. */
  isBlocked(address: string, now = performance.now()): boolean {
    return this.#recent(address, now).length >= MAX_FAILURES;
  }

  /** Counts a failure, and takes its time. */
  async fail(address: string, signal: AbortSignal, now = performance.now()): Promise<void> {
    const network = networkOf(address);
    const recent = this.#recent(address, now);
    // What comes while it is blocked does not count, so that a client that tries on is let in a minute later.
    if (recent.length < MAX_FAILURES) recent.push(now);
    this.#failures.delete(network);
    this.#failures.set(network, recent);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > MAX_ADDRESSES && oldest !== undefined) this.#failures.delete(oldest);
    await setTimeout(FAILURE_DELAY_MS, undefined, { signal }).catch(() => {});
  }

  #recent(address: string, now: number): number[] {
    return (this.#failures.get(networkOf(address)) ?? []).filter((at) => now - at < FAILURE_WINDOW_MS);
  }
}
