import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { FrameDecoder } from "../../lib/protocol/frames.ts";

/** A frame whose payload is a copy, so that it outlives the decoder's buffer. */
export interface FrameCopy {
  readonly kind: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** The bytes of one frame, made without the code under test. A string becomes UTF-8; no limit is kept. */
export function frameBytes(kind: number, payload: Uint8Array | string = ""): Uint8Array<ArrayBuffer> {
  const content = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const frame = new Uint8Array(9 + content.length);
  const view = new DataView(frame.buffer);
  view.setUint32(4, content.length);
  frame[8] = kind;
  frame.set(content, 9);
  view.setUint32(0, crc32(frame.subarray(4)));
  return frame;
}

/** Joins arrays of bytes. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Feeds `bytes` to `decoder` as a connection would, and gives the frames as they come out. What the decoder throws
 * comes after the frames before it.
 *
 * @param pieceSize How many bytes arrive at once, at most; 1 or more.
 */
export function* feed(
  decoder: FrameDecoder,
  bytes: Uint8Array,
  pieceSize: () => number = () => bytes.length,
): Generator<FrameCopy> {
  for (let at = 0;;) {
    for (let frame = decoder.next(); frame; frame = decoder.next()) {
      yield { kind: frame.kind, payload: frame.payload.slice() };
    }
    if (at === bytes.length) return;
    const space = decoder.space();
    const n = Math.min(space.length, pieceSize(), bytes.length - at);
    space.set(bytes.subarray(at, at + n));
    decoder.filled(n);
    at += n;
  }
}

/** The frames in `bytes`, and what the decoder threw after them, if anything. */
export function decodeFrames(bytes: Uint8Array, pieceSize?: () => number): { frames: FrameCopy[]; error: unknown } {
  const decoder = new FrameDecoder();
  const frames: FrameCopy[] = [];
  try {
    for (const frame of feed(decoder, bytes, pieceSize)) frames.push(frame);
    return { frames, error: undefined };
  } catch (error) {
    return { frames, error };
  } finally {
    decoder.release();
  }
}

/** The bytes of all `frames`. */
export function streamOf(frames: readonly FrameCopy[]): Uint8Array<ArrayBuffer> {
  return concat(...frames.map(({ kind, payload }) => frameBytes(kind, payload)));
}

/** Whether `part` is somewhere in `whole`. */
export function includesBytes(whole: Uint8Array, part: Uint8Array): boolean {
  return Buffer.from(whole).includes(Buffer.from(part));
}

/** Whether two arrays hold the same bytes. Much faster than `assertEquals` when they are long. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** A frame of text or bytes. */
export function frame(kind: number, payload: Uint8Array | string = ""): FrameCopy {
  return { kind, payload: typeof payload === "string" ? new TextEncoder().encode(payload) : payload.slice() };
}

/** A header that promises `length` bytes; its CRC-32 is wrong. */
export function header(kind: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setUint32(4, length);
  bytes[8] = kind;
  return bytes;
}
