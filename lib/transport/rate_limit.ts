import { setTimeout } from "node:timers/promises";

/** So much of a second moves at a time: small enough to be even, large enough to cost little. */
const SLICE_SECONDS = 0.05;

/** The smallest and the largest piece that moves at a time, in bytes. */
const MIN_SLICE = 512;
const MAX_SLICE = 1024 * 1024;

/** So much of what a timer or the machine was late is made up for, in ms. */
const CREDIT_MS = 50;

/** Waits shorter than this are made up for later, in ms; a timer is not more exact. */
const SHORTEST_WAIT_MS = 5;

/**
 * Spreads bytes over time, for one connection or for several together. Who has moved bytes waits until they would have
 * passed at the given rate, after all that was moved before (a leaky bucket as a meter, ITU-T I.371).
 */
export class RateLimit {
  /** How many bytes should move at a time. */
  readonly slice: number;
  readonly #bytesPerMs: number;
  /** When all that was moved so far would have passed, on the clock of `performance.now()`. */
  #passedAt = 0;

  /** @param bytesPerSecond More than 0. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.slice = Math.round(Math.min(MAX_SLICE, Math.max(MIN_SLICE, bytesPerSecond * SLICE_SECONDS)));
  }

  /** Counts bytes that have moved. @returns How long to wait before the next, in ms. */
  count(bytes: number, now = performance.now()): number {
    this.#passedAt = Math.max(this.#passedAt, now - CREDIT_MS) + bytes / this.#bytesPerMs;
    const wait = this.#passedAt - now;
    return wait < SHORTEST_WAIT_MS ? 0 : wait;
  }
}

/** The limits that hold for one connection. */
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

  /** Waits, or until `close`. */
  async wait(ms: number): Promise<void> {
    if (ms > 0) await setTimeout(ms, undefined, { signal: this.#closed.signal }).catch(() => {});
  }

  /** Ends all waits. */
  close(): void {
    this.#closed.abort();
  }
}
