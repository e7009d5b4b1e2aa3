import { setTimeout } from "node:timers/promises";

/** Bytes move in pieces of this part of a second: small enough to be smooth, large enough to be cheap. */
const SLICE_SECONDS = 0.05;

/** The smallest and the largest piece, in bytes. */
const MIN_SLICE = 512;
const MAX_SLICE = 1024 * 1024;

/** How much lateness of timers and the machine is made up for, in ms. */
const CREDIT_MS = 50;

/** Shorter waits are put off until they add up, in ms; timers are not more precise. */
const SHORTEST_WAIT_MS = 5;

/**
 * Limits the rate of one connection, or of several together. After moving bytes, a caller waits until they would have
 * passed at that rate, behind everything moved before (a leaky bucket as a meter, ITU-T I.371).
 */
export class RateLimit {
  /** The size of a piece, in bytes. */
  readonly slice: number;
  /** What is let through on average. */
  readonly bytesPerSecond: number;
  /** When everything moved so far would have passed, on the clock of `performance.now()`. */
  #passedAt = 0;

  /** A limit in bytes per second, more than 0. */
  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
    this.slice = Math.round(Math.min(MAX_SLICE, Math.max(MIN_SLICE, bytesPerSecond * SLICE_SECONDS)));
  }

  /** Counts bytes that have moved. @returns How long to wait before the next, in ms. */
  count(bytes: number, now = performance.now()): number {
    this.#passedAt = Math.max(this.#passedAt, now - CREDIT_MS) + bytes / this.bytesPerSecond * 1000;
    const wait = this.#passedAt - now;
    return wait < SHORTEST_WAIT_MS ? 0 : wait;
  }
}

/** The limits of one connection. */
export class Throttle {
  readonly #limits: readonly RateLimit[];
  readonly #closed = new AbortController();

  constructor(limits: readonly RateLimit[]) {
    this.#limits = limits;
  }

  /** The part of `bytes` that may move at once. */
  slice<T extends Uint8Array>(bytes: T): T {
    const most = Math.min(...this.#limits.map(({ slice }) => slice));
    return (bytes.length > most ? bytes.subarray(0, most) : bytes) as T;
  }

  /** Counts bytes that have moved. @returns How long to wait before the next, in ms. */
  count(bytes: number): number {
    return Math.max(...this.#limits.map((limit) => limit.count(bytes)));
  }

  /** Waits, but not beyond `close`. */
  async wait(ms: number): Promise<void> {
    if (ms > 0) await setTimeout(ms, undefined, { signal: this.#closed.signal }).catch(() => {});
  }

  /** Ends all waits. */
  close(): void {
    this.#closed.abort();
  }
}
