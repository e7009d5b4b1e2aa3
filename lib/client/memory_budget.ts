import { FerryError } from "../core/errors.ts";
import { unlessAborted } from "../core/unless_aborted.ts";

/** Memory is taken from the system in pieces of this size, in bytes: to collect many small ones as garbage takes longer. */
const SLAB_BYTES = 256 * 1024;

/** How long those who have all of the memory may leave it lying while others wait for it, in ms. */
const STUCK_MS = 60_000;

/**
 * Bounds the memory of things under way at the same time. When too little is left, callers wait in order; but not for
 * ever if nothing is done with it, since the caller may hold it itself.
 */
export class MemoryBudget {
  #left: number;
  /** How much of it is on its way, and so will be given back. */
  #leaving = 0;
  /** Counts what is done with memory that was taken. */
  #steps = 0;
  readonly #waiters: (PromiseWithResolvers<void> & { readonly bytes: number })[] = [];
  #slab = new Uint8Array(0);
  /** How much of the slab was given out. */
  #used = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param bytes How much there is in all. */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes memory, at once if there is enough. @throws {FerryError} `Busy` when those who have it leave it lying. */
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

  /** Says that somebody goes on with what was taken. */
  use(): void {
    this.#steps++;
  }

  /** Says that what was taken is on its way, and will be given back in any case. */
  send(bytes: number): void {
    this.#leaving += bytes;
  }

  /** Gives back what was taken. @param wasSent Whether it was on its way. */
  give(bytes: number, wasSent: boolean): void {
    if (wasSent) this.#leaving -= bytes;
    this.#left += bytes;
    this.#steps++;
    for (let next = this.#waiters[0]; next && next.bytes <= this.#left; next = this.#waiters[0]) {
      this.#waiters.shift();
      this.#left -= next.bytes;
      next.resolve();
    }
  }

  async #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const waiter = { ...Promise.withResolvers<void>(), bytes };
    this.#waiters.push(waiter);
    this.#watch();
    try {
      await unlessAborted(waiter.promise, signal);
    } catch (error) {
      waiter.promise.then(() => this.give(bytes, false), () => {});
      throw error;
    }
  }

  /** Ends the wait when nothing is done with the memory for too long. */
  #watch(): void {
    const steps = this.#steps;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#leaving === 0 && this.#steps === steps) {
        const message = "too many small uploads are open that nobody goes on with; commit or abort some of them";
        for (const waiter of this.#waiters.splice(0)) waiter.reject(new FerryError("Busy", message));
      }
      if (this.#waiters.length > 0) this.#watch();
    }, STUCK_MS);
    Deno.unrefTimer(this.#timer);
  }
}
