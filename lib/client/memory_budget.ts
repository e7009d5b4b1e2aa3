import { unlessAborted } from "../core/unless_aborted.ts";

/** Memory is taken from the system in pieces of this size, in bytes: to collect many small ones as garbage takes longer. */
const SLAB_BYTES = 256 * 1024;

/** How long those who have taken memory may do nothing before the next may begin all the same, in ms. */
const STALL_MS = 50;

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * Bounds the memory of things under way at the same time. When too little is left, callers wait in order; but not for
 * ever if nothing is given back, since the caller may hold it itself.
 */
export class MemoryBudget {
  #left: number;
  readonly #waiters: Waiter[] = [];
  #slab = new Uint8Array(0);
  /** How much of the slab was given out. */
  #used = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param bytes How much there is in all. */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes memory, at once if there is enough. */
  take(bytes: number, signal: AbortSignal | undefined): Promise<void> | void {
    if (this.#waiters.length > 0 || bytes > this.#left) return this.#wait(bytes, signal);
    this.#left -= bytes;
  }

  /** An array for what was taken, not to be touched when that was given back. */
  space(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes > SLAB_BYTES / 4) return new Uint8Array(bytes);
    if (this.#used + bytes > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    this.#used += bytes;
    return this.#slab.subarray(this.#used - bytes, this.#used);
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#left += bytes;
    if (this.#waiters.length === 0) return;
    for (let next = this.#waiters[0]; next && next.bytes <= this.#left; next = this.#waiters[0]) this.#grant();
    this.#watch();
  }

  async #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push({ bytes, grant: resolve });
    this.#watch();
    try {
      await unlessAborted(promise, signal);
    } catch (error) {
      void promise.then(() => this.give(bytes));
      throw error;
    }
  }

  #grant(): void {
    const waiter = this.#waiters.shift();
    if (!waiter) return;
    this.#left -= waiter.bytes;
    waiter.grant();
  }

  /** Lets the next one begin when nothing was given back for a while. */
  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#waiters.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#grant();
      this.#watch();
    }, STALL_MS);
  }
}
