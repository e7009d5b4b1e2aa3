import { FerryError } from "../protocol/errors.ts";

/**
 * The body of one request on its way from the loop that receives frames to the handler that uses them. Nothing is
 * copied or queued: `deliver` waits until the handler has finished with the bytes, which is the backpressure.
 */
export class Body {
  /** What was delivered and not yet taken; null is the end. */
  #offered: Uint8Array | null | undefined;
  /** Lets the receiving loop go on. */
  #release: (() => void) | undefined;
  /** The handler that waits for more. */
  #waiting: PromiseWithResolvers<Uint8Array | null> | undefined;
  #failure: FerryError | undefined;
  #discarding = false;
  #size = 0;

  /** Whether the next bytes are wanted now, or none are wanted any more, but must come all the same. */
  get isAwaited(): boolean {
    return this.#waiting !== undefined || this.#discarding;
  }

  /** Hands bytes over; resolves when they are no longer needed. */
  async deliver(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    if (this.#discarding || this.#failure) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#release = resolve;
    this.#offer(bytes);
    await promise;
  }

  /** Says that the body is complete and had `size` bytes; a body that had not fails. */
  end(size: number): void {
    if (size === this.#size) this.#offer(null);
    else this.fail(new FerryError("Corrupt", `${this.#size} bytes arrived of ${size} that were sent`));
  }

  /** Says that the body will not be completed; the handler's `next` throws `error`. */
  fail(error: FerryError): void {
    this.#failure ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#letGo();
  }

  /**
   * The next bytes, valid until the next call, or null at the end.
   *
   * @throws {FerryError} What `fail` was given.
   */
  async next(): Promise<Uint8Array | null> {
    if (this.#failure) throw this.#failure;
    const offered = this.#offered;
    this.#offered = undefined;
    if (offered !== undefined) return offered;
    this.#letGo();
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** Ignores whatever still comes. The handler calls it when it has finished, with or without success. */
  discard(): void {
    this.#discarding = true;
    this.#letGo();
  }

  #offer(bytes: Uint8Array | null): void {
    if (this.#waiting) this.#waiting.resolve(bytes);
    else this.#offered = bytes;
    this.#waiting = undefined;
  }

  #letGo(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
