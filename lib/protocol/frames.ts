import { crc32 } from "node:zlib";
import { BUFFER_BYTES, giveBuffer, takeBuffer } from "./buffers.ts";
import { FerryError } from "../core/errors.ts";
import { HEADER_BYTES, MAX_CONTROL_BYTES, MAX_DATA_BYTES } from "./constants.ts";

/** The kinds of frames and their numbers on the wire. */
export const FrameKind = {
  hello: 1,
  request: 2,
  ready: 3,
  entries: 4,
  data: 5,
  end: 6,
  ok: 7,
  error: 8,
  cancel: 9,
  notice: 10,
  alive: 11,
  disconnect: 12,
} as const;

/** The number of a kind of frame. */
export type FrameKind = typeof FrameKind[keyof typeof FrameKind];

/** One frame. `payload` is a view that is valid until the decoder is used again. */
export interface Frame {
  readonly kind: FrameKind;
  readonly payload: Uint8Array<ArrayBuffer>;
}

const NAMES = new Map<number, string>(Object.entries(FrameKind).map(([name, kind]) => [kind, name]));

/** The name of a kind of frame, for messages. */
export function frameName(kind: FrameKind): string {
  return NAMES.get(kind) ?? String(kind);
}

function readU32(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) value = value << 8 | (bytes[i] ?? 0);
  return value >>> 0;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = value >>> 24 - 8 * i;
}

/** The largest payload that a frame of this kind may have, in bytes. */
function maxPayload(kind: number): number {
  return kind === FrameKind.data ? MAX_DATA_BYTES : MAX_CONTROL_BYTES;
}

/**
 * Completes a frame in place: writes the header for a payload of `length` bytes that already stands at
 * `start + HEADER_BYTES`. The CRC-32 (ITU-T V.42, as in zlib) covers length, kind and payload.
 */
export function sealFrame(buffer: Uint8Array, start: number, kind: FrameKind, length: number): void {
  writeU32(buffer, start + 4, length);
  buffer[start + 8] = kind;
  writeU32(buffer, start, crc32(buffer.subarray(start + 4, start + HEADER_BYTES + length)));
}

/** The first buffer of a decoder or encoder: enough for requests, small enough for idle connections. */
const SMALL_BUFFER_BYTES = 4096;

/**
 * Cuts a stream of bytes into frames. No I/O: the owner reads into {@linkcode space}, says how much with
 * {@linkcode filled}, and takes frames with {@linkcode next} until there are none.
 *
 * Memory: 4 KiB. When that is not enough, one pooled buffer until it is empty again.
 */
export class FrameDecoder {
  #small = new Uint8Array(SMALL_BUFFER_BYTES);
  #buffer = this.#small;
  #start = 0;
  #end = 0;

  /** Bytes of an incomplete frame. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** The kind of the incomplete frame, once more than its header has arrived. */
  get arriving(): number | undefined {
    return this.pending > HEADER_BYTES ? this.#buffer[this.#start + 8] : undefined;
  }

  /** Free space, never empty, for the next bytes. Call it only after `next()` has returned undefined. */
  space(): Uint8Array<ArrayBuffer> {
    const wanted = this.#missing();
    if (this.pending === 0) {
      this.release();
    } else if (this.#end + wanted > this.#buffer.length) {
      this.#moveTo(this.pending + wanted > this.#buffer.length ? takeBuffer() : this.#buffer);
    }
    // Read a large frame exactly to its end: the next one then starts at the front, without a copy.
    const limit = wanted > SMALL_BUFFER_BYTES ? this.#end + wanted : this.#buffer.length;
    return this.#buffer.subarray(this.#end, limit);
  }

  /** Says that the first `bytes` bytes of the space now hold input. */
  filled(bytes: number): void {
    this.#end += bytes;
  }

  /**
   * The next frame, or undefined if more bytes are needed.
   *
   * @throws {FerryError} `BadRequest` for an unknown kind or a length over the limit, as soon as the header is there;
   * `Corrupt` when the CRC does not match. The stream cannot be used after either.
   */
  next(): Frame | undefined {
    if (this.#missing() > 0) return undefined;
    const start = this.#start;
    const end = start + HEADER_BYTES + readU32(this.#buffer, start + 4);
    if (crc32(this.#buffer.subarray(start + 4, end)) !== readU32(this.#buffer, start)) {
      throw new FerryError("Corrupt", "the data was damaged on the way (CRC-32 mismatch)");
    }
    this.#start = end;
    return {
      kind: this.#buffer[start + 8] as FrameKind,
      payload: this.#buffer.subarray(start + HEADER_BYTES, end),
    };
  }

  /** Forgets an incomplete frame, and gives the memory back. */
  release(): void {
    this.#start = this.#end = 0;
    if (this.#buffer === this.#small) return;
    giveBuffer(this.#buffer);
    this.#buffer = this.#small;
  }

  /** How many bytes the next frame still lacks: to complete the header, then to complete the frame. */
  #missing(): number {
    const here = this.pending;
    if (here < HEADER_BYTES) return HEADER_BYTES - here;
    const length = readU32(this.#buffer, this.#start + 4);
    const kind = this.#buffer[this.#start + 8] ?? 0;
    if (!NAMES.has(kind)) throw new FerryError("BadRequest", `this is not Ferry's protocol (frame kind ${kind})`);
    if (length > maxPayload(kind)) {
      throw new FerryError("BadRequest", `a frame of ${length} bytes is over the limit of ${maxPayload(kind)}`);
    }
    return Math.max(0, HEADER_BYTES + length - here);
  }

  /** Moves the incomplete frame to the front of a buffer, which may be the same. */
  #moveTo(buffer: Uint8Array<ArrayBuffer>): void {
    buffer.set(this.#buffer.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#buffer = buffer;
  }
}

/**
 * Collects outgoing frames in one buffer: many small ones leave in one write, and a large one is filled in place. The
 * buffer has 4 KiB until more is needed, so that connections cost little at first. Then it comes from the pool, no larger
 * than is needed, and {@linkcode release} gives it back.
 */
export class FrameEncoder {
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #end = 0;

  /** The frames collected so far. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer?.subarray(0, this.#end) ?? new Uint8Array(0);
  }

  /** Whether no frame was collected. */
  get empty(): boolean {
    return this.#end === 0;
  }

  /** The place for a payload of up to `size` bytes, or undefined if it no longer fits. */
  reserve(size: number): Uint8Array<ArrayBuffer> | undefined {
    const start = this.#end + HEADER_BYTES;
    const end = start + size;
    if (end > BUFFER_BYTES) return undefined;
    const buffer = this.#buffer && end <= this.#buffer.length ? this.#buffer : this.#grow(end);
    return buffer.subarray(start, end);
  }

  /** Makes a frame of the first `length` bytes of what `reserve` returned last. */
  commit(kind: FrameKind, length: number): void {
    if (!this.#buffer) throw new TypeError("commit() without reserve()");
    sealFrame(this.#buffer, this.#end, kind, length);
    this.#end += HEADER_BYTES + length;
  }

  /** Forgets all frames and keeps the buffer for the next. */
  clear(): void {
    this.#end = 0;
  }

  #grow(bytes: number): Uint8Array<ArrayBuffer> {
    const larger = bytes > SMALL_BUFFER_BYTES ? takeBuffer(bytes) : new Uint8Array(SMALL_BUFFER_BYTES);
    if (this.#buffer) {
      larger.set(this.bytes);
      giveBuffer(this.#buffer);
    }
    return this.#buffer = larger;
  }

  /** Forgets all frames and gives the buffer back. */
  release(): void {
    if (this.#buffer) giveBuffer(this.#buffer);
    this.#buffer = undefined;
    this.#end = 0;
  }
}
