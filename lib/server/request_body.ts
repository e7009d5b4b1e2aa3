import { endOfRound } from "../transport/scheduler.ts";
import { FerryError } from "../core/errors.ts";

/** What each piece that is kept costs besides its bytes, at most. In bytes. */
const PIECE_OVERHEAD_BYTES = 256;

/** The room in which a connection keeps what has come before it is its turn. */
export class ReadAhead {
  #left: number;

  /** @param bytes How much it may keep. */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** A copy of bytes for later, unless there is no room for it. */
  keep(bytes: Uint8Array): Uint8Array | undefined {
    const cost = bytes.length + PIECE_OVERHEAD_BYTES;
    if (cost > this.#left) return undefined;
    this.#left -= cost;
    return bytes.slice();
  }

  /** Says that what was kept is not needed any more. */
  forget(bytes: Uint8Array): void {
    this.#left += bytes.length + PIECE_OVERHEAD_BYTES;
  }
}

/**
 * The body of one request on its way from the loop that receives frames to the handler that uses them. What comes
 * before the handler has begun is kept while there is room, so that what is behind it is seen. Then nothing is copied or
 * queued: `deliver` waits until the handler has finished with the bytes, which is the backpressure.
 */
export class RequestBody {
  readonly #ahead: ReadAhead;
  /** What came before the handler had begun. */
  readonly #kept: Uint8Array[] = [];
  #hasBegun = false;
  /** Something has come behind it, so that a cancel that came with it has most likely been seen. */
  #isFollowed = false;
  /** What `next` has given of it last. */
  #given: Uint8Array | undefined;
  /** What was delivered and not yet taken; null is the end. */
  #offered: Uint8Array | null | undefined;
  /** Lets the receiving loop go on. */
  #release: (() => void) | undefined;
  /** The handler that waits for more. */
  #waiting: PromiseWithResolvers<Uint8Array | null> | undefined;
  #failure: FerryError | undefined;
  #discarding = false;
  #size = 0;

  constructor(ahead: ReadAhead) {
    this.#ahead = ahead;
  }

  /** Whether the next bytes are wanted now, or none are wanted any more, but must come all the same. */
  get isAwaited(): boolean {
    return this.#waiting !== undefined || this.#discarding;
  }

  /** Hands bytes over; resolves when they are no longer needed. */
  async deliver(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    if (this.#discarding || this.#failure) return;
    const early = this.#hasBegun ? undefined : this.#ahead.keep(bytes);
    if (early) return void this.#kept.push(early);
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

  /** Says that another frame has come behind its end. */
  follow(): void {
    this.#isFollowed = true;
  }

  /** Says that the body will not be completed, or not be used; the handler's `next` throws `error`. */
  fail(error: FerryError): void {
    this.#failure ??= error;
    this.#dropKept();
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#letGo();
  }

  /**
   * The next bytes, valid until the next call, or null at the end. Before the end it lets the loop that receives look at
   * what has come behind the body.
   *
   * @throws {FerryError} What `fail` was given, also when that came behind the body.
   */
  async next(): Promise<Uint8Array | null> {
    this.#hasBegun = true;
    this.#forget();
    if (this.#failure) throw this.#failure;
    this.#given = this.#kept.shift();
    if (this.#given) return this.#given;
    const bytes = await this.#take();
    if (bytes) return bytes;
    if (!this.#isFollowed) await endOfRound();
    if (this.#failure) throw this.#failure;
    return null;
  }

  /** Ignores whatever still comes. The handler calls it when it has finished, with or without success. */
  discard(): void {
    this.#discarding = true;
    this.#forget();
    this.#dropKept();
    this.#letGo();
  }

  #take(): Promise<Uint8Array | null> | Uint8Array | null {
    const offered = this.#offered;
    this.#offered = undefined;
    if (offered !== undefined) return offered;
    this.#letGo();
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  #forget(): void {
    if (this.#given) this.#ahead.forget(this.#given);
    this.#given = undefined;
  }

  #dropKept(): void {
    for (const bytes of this.#kept.splice(0)) this.#ahead.forget(bytes);
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
