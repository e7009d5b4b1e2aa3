import { Condition } from "../core/condition.ts";
import { FerryError } from "../core/errors.ts";

/** What each piece that is kept costs besides its bytes, at most. In bytes. */
const PIECE_OVERHEAD_BYTES = 256;

/** How far the loop that receives is ahead of the handlers; the requests of one connection share it. */
export class ReadAhead {
  /** Notified when there is something for the handlers. */
  readonly changed = new Condition();
  /** Notified when the loop that receives may go on with what it had no room for. */
  readonly released = new Condition();
  /** Whether everything that has come was looked at, or there is no room for more of it. */
  isSettled = true;
  /** How many more bytes of waiting bodies may be kept. */
  room: number;

  constructor(room: number) {
    this.room = room;
  }

  settle(): void {
    if (!this.isSettled) this.changed.notifyAll();
    this.isSettled = true;
  }
}

/**
 * The body of one request on its way from the loop that receives frames to the handler that uses them. What comes
 * before the handler has begun is kept while there is room, so that what is behind it is seen. Then nothing is copied or
 * queued: `deliver` waits until the handler has finished with the bytes, which is the backpressure.
 */
export class RequestBody {
  readonly #ahead: ReadAhead;
  /** What has come and is not used up; `next` has given the first of it when `#isInUse`. */
  readonly #pieces: Uint8Array[] = [];
  #isInUse = false;
  /** The piece for which `deliver` waits; the others are kept copies. */
  #lent: Uint8Array | undefined;
  #hasBegun = false;
  #isComplete = false;
  #isDiscarded = false;
  #failure: FerryError | undefined;
  #size = 0;

  constructor(ahead: ReadAhead) {
    this.#ahead = ahead;
  }

  /** Whether the next bytes are wanted now, or none are wanted any more, but must come all the same. */
  get isAwaited(): boolean {
    return this.#isDiscarded || this.#hasBegun && this.#pieces.length === 0;
  }

  /** Hands bytes over; resolves when they are no longer needed. */
  async deliver(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    if (this.#isDiscarded || this.#failure) return;
    const cost = bytes.length + PIECE_OVERHEAD_BYTES;
    if (!this.#hasBegun && cost <= this.#ahead.room) {
      this.#ahead.room -= cost;
      this.#pieces.push(bytes.slice());
      return;
    }
    this.#pieces.push(bytes);
    this.#lent = bytes;
    this.#ahead.isSettled = true;
    this.#ahead.changed.notifyAll();
    while (this.#lent === bytes) await this.#ahead.released.next;
    this.#ahead.isSettled = false;
  }

  /** Says that the body is complete and had `size` bytes, which counts when `ReadAhead` is settled, or else fails. */
  end(size: number): void {
    this.#isComplete = true;
    if (size === this.#size) return;
    this.fail(new FerryError("Corrupt", `${this.#size} bytes arrived of ${size} that were sent`));
  }

  /** Says that the body will not be completed, or not be used; the handler's `next` throws `error`. */
  fail(error: FerryError): void {
    this.#failure ??= error;
    while (this.#pieces.length > 0) this.#shift();
    this.#ahead.changed.notifyAll();
  }

  /**
   * The next bytes, valid until the next call, or null at the end. Before the end everything that has come behind the body
   * is looked at, as far as there is room for it.
   *
   * @throws {FerryError} What `fail` was given, also when that came behind the body.
   */
  async next(): Promise<Uint8Array | null> {
    this.#hasBegun = true;
    if (this.#isInUse) this.#shift();
    while (!this.#failure && this.#pieces.length === 0 && !(this.#isComplete && this.#ahead.isSettled)) {
      await this.#ahead.changed.next;
    }
    if (this.#failure) throw this.#failure;
    const piece = this.#pieces[0];
    this.#isInUse = piece !== undefined;
    return piece ?? null;
  }

  /** Ignores whatever still comes. The handler calls it when it has finished, with or without success. */
  discard(): void {
    this.#isDiscarded = true;
    while (this.#pieces.length > 0) this.#shift();
  }

  #shift(): void {
    const piece = this.#pieces.shift();
    this.#isInUse = false;
    if (piece && piece !== this.#lent) {
      this.#ahead.room += piece.length + PIECE_OVERHEAD_BYTES;
    } else {
      this.#lent = undefined;
      this.#ahead.released.notifyAll();
    }
  }
}
