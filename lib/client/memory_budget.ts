import { unlessAborted } from "../core/unless_aborted.ts";

/** How long those who have taken memory may do nothing before the next may begin all the same, in ms. */
const STALL_MS = 50;

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * Bounds the memory of things that are under way at the same time. Whoever would need more than is left waits, in order; but
 * not for ever for those who hold what they have and give nothing back, since that may be the waiter itself.
 */
export class MemoryBudget {
  #left: number;
  readonly #waiters: Waiter[] = [];
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
