import { Condition } from "../core/condition.ts";
import type { Fill } from "../core/fill.ts";
import { encodeControl } from "../protocol/codec.ts";
import { FerryError, toFerryError } from "../core/errors.ts";
import { type Frame, FrameDecoder, FrameEncoder, FrameKind } from "../protocol/frames.ts";
import { MAX_CONTROL_BYTES } from "../protocol/constants.ts";
import { formatAddress } from "./address.ts";
import { type RateLimit, Throttle } from "./rate_limit.ts";
import { endOfRound, LARGE_BYTES, TimeSlice } from "./scheduler.ts";

/** The part of `Deno.Conn` that is used, plain or encrypted. */
export type ByteConn = Pick<Deno.Conn<Deno.NetAddr>, "remoteAddr" | "read" | "write" | "closeWrite" | "close">;

/** Closes both directions, unless they are closed already. */
export function closeQuietly(conn: Pick<ByteConn, "close">): void {
  try {
    conn.close();
  } catch {
    // It is closed already, or `Deno.startTls` has consumed it.
  }
}

/** From this many bytes on, a write starts at once. Fewer wait for more from the same turn of the event loop. */
const EAGER_BYTES = 256 * 1024;

/** The error for a failed system call. */
function failureOf(error: unknown): FerryError {
  if (!(error instanceof Deno.errors.InvalidData)) return toFerryError(error);
  return new FerryError("Corrupt", "the encryption shows that something was changed on the way", { cause: error });
}

/** Room for most control frames, in bytes. A larger one is encoded a second time. */
const USUAL_CONTROL_BYTES = 1024;

/** What a frame counts for in a turn, in bytes. JSON takes much longer than data. */
function costOf({ kind, payload }: Frame): number {
  return kind === FrameKind.data ? 0 : payload.length * JSON_FACTOR;
}

/** Makes JSON of more than 4 KiB a large step. */
const JSON_FACTOR = 16;

/**
 * Frames over a stream connection. Outgoing frames are collected during the previous write and then leave in one write.
 * `send` and `sendData` wait while both buffers are full: that is the backpressure. Only one caller may receive at a
 * time; any number may send.
 */
export class Connection {
  /** Address of the other end, `host:port`, and without the port. */
  readonly peer: string;
  readonly host: string;
  readonly #conn: ByteConn;
  readonly #decoder = new FrameDecoder();
  #filling = new FrameEncoder();
  #writing = new FrameEncoder();
  #flushing: Promise<void> | undefined;
  /** Notified when the buffers were swapped, so that there is room again. */
  readonly #swapped = new Condition();
  /** Fulfilled when the caller that fills a frame in place has finished. */
  #reserved: Promise<void> | undefined;
  #failure: FerryError | undefined;
  #reading = false;
  #bytes = 0;
  #progressAt = performance.now();
  #workedAt = this.#progressAt;
  readonly #readSlice = new TimeSlice();
  readonly #writeSlice = new TimeSlice();
  readonly #throttle: Throttle | undefined;

  /** @param limits Limits on the bandwidth, both directions together. */
  constructor(conn: ByteConn, limits: readonly RateLimit[] = []) {
    this.#conn = conn;
    this.#throttle = limits.length > 0 ? new Throttle(limits) : undefined;
    this.host = conn.remoteAddr.hostname;
    this.peer = formatAddress(conn.remoteAddr);
  }

  /**
   * When bytes last moved in either direction, or were first waited for, on the clock of `performance.now()`, in ms;
   * later than now while they wait for the bandwidth that is left.
   */
  get progressAt(): number {
    return this.#progressAt;
  }

  /** The same, without frames that only show that the other end is alive. */
  get workedAt(): number {
    return this.#workedAt;
  }

  /** How many bytes have moved, both directions together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether something is half done: a frame that arrived in part, or a write that the peer does not take. */
  get midway(): boolean {
    return (this.#reading && this.#decoder.pending > 0) || this.#flushing !== undefined;
  }

  /** Whether it is the other end's turn to send. */
  get reading(): boolean {
    return this.#reading;
  }

  /**
   * The next frame, or undefined when the other end has closed its side. The payload is valid until the next call.
   *
   * @param onEmpty Called when all frames that have come were received, before more is waited for.
   * @throws {FerryError} `Disconnected`, also at an end in the middle of a frame. `BadRequest` or `Corrupt` for bytes
   * that are not the protocol or were changed on the way; nothing more can be received then.
   */
  async receive(onEmpty?: () => void): Promise<Frame | undefined> {
    try {
      for (;;) {
        const frame = this.#decoder.next();
        if (frame) {
          if (this.#readSlice.isOver(costOf(frame))) await this.#readSlice.pass();
          // A frame without a payload, or a cancel, asks for nothing and gives nothing.
          if (frame.payload.length > 0 && frame.kind !== FrameKind.cancel) this.#workedAt = this.#progressAt;
          // Its arrival is its message; see `progressAt`.
          else if (frame.kind === FrameKind.alive) continue;
          return frame;
        }
        onEmpty?.();
        const { arriving } = this.#decoder;
        if (arriving !== undefined && arriving !== FrameKind.cancel) this.#workedAt = this.#progressAt;
        const space = this.#decoder.space();
        // Never delay a caller that waits for something small.
        if (space.length >= LARGE_BYTES && this.#readSlice.isOver(space.length)) await this.#readSlice.pass();
        const n = await this.#read(space);
        if (n === null) break;
        this.#decoder.filled(n);
      }
      if (this.#decoder.pending > 0) {
        throw new FerryError("Disconnected", "the connection ended in the middle of a message");
      }
    } catch (error) {
      this.#decoder.release();
      throw error;
    }
    this.#decoder.release();
    return undefined;
  }

  /**
   * Queues a control frame.
   *
   * @throws {FerryError} `Disconnected`; `TooLarge` when the value is larger than a control frame may be.
   */
  async send(kind: FrameKind, value?: unknown): Promise<void> {
    const fill: Fill = (space) => value === undefined ? 0 : encodeControl(value, space) ?? null;
    const usual = value === undefined ? 0 : USUAL_CONTROL_BYTES;
    if (await this.#place(usual, fill, kind) === null) await this.#place(MAX_CONTROL_BYTES, fill, kind);
  }

  /** Queues a data frame of up to `size` bytes that `fill` writes in place; nothing when that gives null, as this does then. */
  sendData(size: number, fill: Fill): Promise<number | null> {
    return this.#place(size, fill, FrameKind.data);
  }

  /** Waits until the system has everything that was queued. */
  async flush(): Promise<void> {
    while (this.#flushing) await this.#flushing;
    if (this.#failure) throw this.#failure;
  }

  /** Sends what is queued, then closes this direction. The other one stays open. */
  async end(): Promise<void> {
    await this.flush();
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      throw failureOf(error);
    }
  }

  /** Reads and ignores everything until the other end closes. Closing earlier could cut off what we sent. */
  async drain(): Promise<void> {
    const scratch = new Uint8Array(MAX_CONTROL_BYTES);
    while (await this.#read(scratch) !== null);
  }

  /** Closes both directions. */
  close(): void {
    this.#failure ??= new FerryError("Disconnected", "the connection is closed");
    closeQuietly(this.#conn);
    this.#throttle?.close();
    this.#swapped.notifyAll();
  }

  async #read(space: Uint8Array): Promise<number | null> {
    this.#reading = true;
    this.#waits();
    try {
      const n = await this.#conn.read(this.#throttle?.slice(space) ?? space);
      const moved = this.#moved(n ?? 0);
      if (moved) await moved;
      return n;
    } catch (error) {
      throw failureOf(error);
    } finally {
      this.#reading = false;
    }
  }

  /** Notes that the other end's turn begins now. Time spent before was ours. */
  #waits(): void {
    this.#progressAt = Math.max(this.#progressAt, performance.now());
  }

  /** Notes that bytes moved, and waits until more may. */
  #moved(bytes: number): Promise<void> | void {
    this.#progressAt = performance.now();
    this.#bytes += bytes;
    if (!this.#throttle) return;
    const wait = this.#throttle.count(bytes);
    this.#progressAt += wait;
    return this.#throttle.wait(wait);
  }

  async #place(size: number, fill: Fill, kind: FrameKind): Promise<number | null> {
    let space = this.#room(size);
    while (!space) {
      await (this.#reserved ?? this.#swapped.next);
      space = this.#room(size);
    }
    let reserved: PromiseWithResolvers<void> | undefined;
    try {
      let n = fill(space);
      if (n instanceof Promise) {
        reserved = Promise.withResolvers();
        this.#reserved = reserved.promise;
        n = await n;
      }
      if (this.#failure) throw this.#failure;
      if (n !== null) {
        this.#filling.commit(kind, n);
        this.#flushing ??= this.#drainQueue();
      }
      return n;
    } finally {
      if (this.#filling.empty || this.#failure) this.#filling.release();
      if (reserved) this.#reserved = undefined;
      reserved?.resolve();
    }
  }

  /** Room for a frame, if there is any. It belongs to the caller until that awaits something. */
  #room(size: number): Uint8Array<ArrayBuffer> | undefined {
    if (this.#failure) throw this.#failure;
    return this.#reserved ? undefined : this.#filling.reserve(size);
  }

  /** Writes until nothing is queued. Never rejects: the next send throws the failure. */
  async #drainQueue(): Promise<void> {
    this.#waits();
    this.#workedAt = this.#progressAt;
    try {
      while (!this.#filling.empty) {
        // A write costs far more than a short wait for more small frames.
        if (this.#filling.bytes.length < EAGER_BYTES) await endOfRound();
        if (this.#reserved) {
          await this.#reserved;
          continue;
        }
        [this.#filling, this.#writing] = [this.#writing, this.#filling];
        this.#swapped.notifyAll();
        if (this.#writeSlice.isOver(this.#writing.bytes.length)) await this.#writeSlice.pass();
        await this.#writeAll(this.#writing.bytes);
        this.#writing.clear();
      }
      this.#writing.release();
    } catch (error) {
      this.#failure ??= failureOf(error);
      this.#swapped.notifyAll();
      this.#writing.release();
      // The caller that fills it will release it.
      if (!this.#reserved) this.#filling.release();
    } finally {
      this.#flushing = undefined;
    }
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const rest = bytes.subarray(done);
      const n = await this.#conn.write(this.#throttle?.slice(rest) ?? rest);
      done += n;
      const moved = this.#moved(n);
      this.#workedAt = this.#progressAt;
      if (moved) await moved;
    }
  }
}
