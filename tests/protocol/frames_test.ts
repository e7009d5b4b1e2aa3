import { assert, assertEquals, assertLess, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { BUFFER_BYTES, giveBuffer, takeBuffer } from "../../lib/protocol/buffers.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { FrameDecoder, FrameKind } from "../../lib/protocol/frames.ts";
import { HEADER_BYTES, MAX_CONTROL_BYTES, MAX_DATA_BYTES } from "../../lib/protocol/constants.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import {
  concat,
  decodeFrames,
  feed,
  frame,
  frameBytes,
  type FrameCopy,
  header,
  sameBytes,
  streamOf,
} from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";
import { MIXED, SHORT } from "../helpers/streams.ts";

const KINDS = Object.values(FrameKind);

/** What an idle connection holds for its decoder, in bytes. */
const IDLE_BYTES = 4096;

/** The frames in a stream that is whole and right. */
function decodeAll(stream: Uint8Array, pieceSize?: () => number): FrameCopy[] {
  const { frames, error } = decodeFrames(stream, pieceSize);
  assertEquals(error, undefined);
  return frames;
}

/** Sizes of pieces: those given, then all the rest. */
function pieces(...sizes: number[]): () => number {
  const left = sizes.values();
  return () => left.next().value ?? Infinity;
}

/** Fails unless `error` is one of those that a damaged stream may cause, or none. */
function assertStreamError(error: unknown): void {
  if (error === undefined) return;
  assert(error instanceof FerryError, `threw ${Deno.inspect(error)}`);
  assert(error.code === "Corrupt" || error.code === "BadRequest", `threw ${error.code}`);
}

/** Puts `stream` into a new decoder, which it must fit. */
function decoderWith(stream: Uint8Array): FrameDecoder {
  const decoder = new FrameDecoder();
  decoder.space().set(stream);
  decoder.filled(stream.length);
  return decoder;
}

Deno.test("FrameDecoder.next() gives the same frames for every split point", () => {
  const stream = streamOf(MIXED);
  for (let split = 1; split < stream.length; split++) {
    const sizes = pieces(split);
    // Bytes, since a deep comparison for each of the many splits would take long.
    assert(sameBytes(streamOf(decodeAll(stream, sizes)), stream), `split at ${split}`);
  }
});

Deno.test("FrameDecoder.next() gives the same frames for every pair of split points", () => {
  const stream = streamOf(SHORT);
  for (let first = 1; first < stream.length - 1; first++) {
    for (let second = first + 1; second < stream.length; second++) {
      const sizes = pieces(first, second - first);
      assertEquals(decodeAll(stream, sizes), SHORT, `split at ${first}, ${second}`);
    }
  }
});

Deno.test("FrameDecoder.next() gives the same frames byte by byte, and at once", () => {
  const stream = streamOf(MIXED);
  assertEquals(decodeAll(stream, () => 1), MIXED);
  assertEquals(decodeAll(stream), MIXED);
});

Deno.test("FrameDecoder.next() gives a frame as soon as its last byte is there", () => {
  const decoder = new FrameDecoder();
  for (const { kind, payload } of SHORT) {
    const wire = frameBytes(kind, payload);
    assertEquals(Array.from(feed(decoder, wire.subarray(0, -1), () => 3)), []);
    assertEquals(decoder.pending, wire.length - 1);
    assertEquals(Array.from(feed(decoder, wire.subarray(-1))), [{ kind, payload }]);
    assertEquals(decoder.pending, 0);
  }
});

Deno.test("FrameDecoder.next() gives nothing of a truncated frame", () => {
  const stream = streamOf(SHORT);
  const ends = SHORT.map((_, i) => streamOf(SHORT.slice(0, i + 1)).length);
  for (let length = 0; length < stream.length; length++) {
    const decoder = new FrameDecoder();
    const whole = ends.filter((end) => end <= length).length;
    assertEquals(Array.from(feed(decoder, stream.subarray(0, length))), SHORT.slice(0, whole));
    assertEquals(decoder.pending, length - (ends[whole - 1] ?? 0));
  }
});

Deno.test("FrameDecoder.next() accepts the largest payload of every kind", () => {
  for (const kind of KINDS) {
    const payload = bytes(kind === FrameKind.data ? MAX_DATA_BYTES : MAX_CONTROL_BYTES, kind);
    const [only, ...others] = decodeAll(frameBytes(kind, payload));
    assertEquals(others, []);
    assertEquals(only?.kind, kind);
    assert(only && sameBytes(only.payload, payload));
  }
});

Deno.test("FrameDecoder.next() refuses a length over the limit when only the header is there", () => {
  for (const kind of KINDS) {
    const limit = kind === FrameKind.data ? MAX_DATA_BYTES : MAX_CONTROL_BYTES;
    for (const length of [limit + 1, limit * 2, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      const spare = takeBuffer();
      giveBuffer(spare);
      const decoder = decoderWith(header(kind, length));
      const { message } = assertThrowsCode("BadRequest", () => decoder.next());
      assert(message.includes(String(length)) && message.includes(String(limit)), message);
      // The decoder took no large buffer: the one that was given back last is still the first to be taken.
      const next = takeBuffer();
      assertStrictEquals(next, spare);
      giveBuffer(next);
    }
  }
});

Deno.test("FrameDecoder.next() refuses an unknown kind when only the header is there", () => {
  const known = new Set<number>(KINDS);
  for (let kind = 0; kind < 256; kind++) {
    if (known.has(kind)) continue;
    for (const length of [0, 1, 2 ** 32 - 1]) {
      assertThrowsCode("BadRequest", () => decoderWith(header(kind, length)).next(), `kind ${kind}, length ${length}`);
      assertEquals(decoderWith(header(kind, length).subarray(0, -1)).next(), undefined);
    }
  }
});

Deno.test("FrameDecoder.next() refuses what other protocols begin with", () => {
  for (const greeting of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n", "\x16\x03\x01\x02\x00\x01"]) {
    const stream = concat(new TextEncoder().encode(greeting), new Uint8Array(HEADER_BYTES));
    const { frames, error } = decodeFrames(stream);
    assertEquals(frames, []);
    assert(error instanceof FerryError && error.code === "BadRequest", `${JSON.stringify(greeting)}: ${error}`);
  }
});

Deno.test("FrameDecoder.next() never gives a frame with a flipped bit", () => {
  const stream = streamOf(SHORT);
  const ends = SHORT.map((_, i) => streamOf(SHORT.slice(0, i + 1)).length);
  for (let bit = 0; bit < stream.length * 8; bit++) {
    const damaged = stream.slice();
    const at = bit >> 3;
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit & 7));
    const { frames, error } = decodeFrames(damaged);
    assertStreamError(error);
    // Exactly the frames before the damaged one; without an error, that one is still waited for.
    assertEquals(frames, SHORT.slice(0, ends.filter((end) => end <= at).length), `bit ${bit & 7} of byte ${at}`);
  }
});

Deno.test("FrameDecoder.next() finds a flipped bit anywhere in a large frame", () => {
  const wire = frameBytes(FrameKind.data, bytes(MAX_DATA_BYTES, 6));
  for (const at of [0, 3, HEADER_BYTES, 4095, 4096, 65_536, wire.length - 1]) {
    const damaged = wire.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    const { frames, error } = decodeFrames(damaged);
    assertEquals(frames.length, 0);
    assert(error instanceof FerryError && error.code === "Corrupt", `byte ${at}: ${error}`);
  }
});

Deno.test("FrameDecoder.next() finds frames whose payloads were exchanged", () => {
  const [first, second] = [frameBytes(FrameKind.data, bytes(50, 7)), frameBytes(FrameKind.data, bytes(50, 8))];
  const exchanged = concat(first.subarray(0, HEADER_BYTES), second.subarray(HEADER_BYTES));
  const { frames, error } = decodeFrames(exchanged);
  assertEquals(frames, []);
  assert(error instanceof FerryError && error.code === "Corrupt");
});

Deno.test("FrameDecoder.space() reads large frames back to back without moving them", () => {
  const payloads = Array.from({ length: 6 }, (_, i) => bytes(MAX_DATA_BYTES, 20 + i));
  const stream = concat(...payloads.map((payload) => frameBytes(FrameKind.data, payload)));
  const decoder = new FrameDecoder();
  const places: { buffer: ArrayBuffer; offset: number }[] = [];
  for (let at = 0, seen = 0; seen < payloads.length;) {
    const found = decoder.next();
    if (found) {
      assert(sameBytes(found.payload, payloads[seen++] ?? new Uint8Array()), `frame ${seen}`);
      places.push({ buffer: found.payload.buffer, offset: found.payload.byteOffset });
      assertEquals(decoder.pending, 0, "a part of the next frame was read, which has to be moved");
      continue;
    }
    const space = decoder.space();
    const n = Math.min(space.length, stream.length - at);
    assert(n > 0, "the stream is over and frames are missing");
    space.set(stream.subarray(at, at + n));
    decoder.filled(n);
    at += n;
  }
  assertEquals(places.map(({ offset }) => offset), payloads.map(() => HEADER_BYTES));
  for (const { buffer } of places) assertLessOrEqual(buffer.byteLength, BUFFER_BYTES);
  decoder.release();
});

Deno.test("FrameDecoder.space() stays small while only small frames come", () => {
  const small = frame(FrameKind.notice, bytes(1000, 16));
  const stream = streamOf(Array.from({ length: 20 }, () => small));
  const decoder = new FrameDecoder();
  for (let at = 0, seen = 0; seen < 20;) {
    if (decoder.next()) {
      seen++;
      continue;
    }
    const space = decoder.space();
    assertEquals(space.buffer.byteLength, IDLE_BYTES);
    const part = stream.subarray(at, at + space.length);
    assert(part.length > 0, "the stream is over and frames are missing");
    space.set(part);
    decoder.filled(part.length);
    at += part.length;
  }
});

Deno.test("FrameDecoder.space() gives the large buffer back when it has run empty", () => {
  const decoder = new FrameDecoder();
  const wire = frameBytes(FrameKind.data, bytes(10_000, 11));
  assertEquals(Array.from(feed(decoder, wire.subarray(0, 5000))), []);
  const large = decoder.space().buffer;
  assertEquals(large.byteLength, BUFFER_BYTES);
  assertEquals(Array.from(feed(decoder, wire.subarray(5000))).length, 1);
  assertEquals(decoder.space().buffer.byteLength, IDLE_BYTES);
  const next = takeBuffer();
  assertStrictEquals(next.buffer, large);
  giveBuffer(next);
});

Deno.test("FrameDecoder.space() keeps no large buffer when the input ended at the end of the small one", () => {
  const half = frameBytes(FrameKind.notice, bytes(IDLE_BYTES / 2 - HEADER_BYTES, 12));
  const decoder = decoderWith(concat(half, half));
  assert(decoder.next());
  assert(decoder.next());
  assertEquals(decoder.next(), undefined);
  // The connection is idle now, for as long as the peer likes.
  const held = decoder.space().buffer.byteLength;
  decoder.release();
  assertLess(held, 20_000);
});

Deno.test("FrameDecoder.release() gives the large buffer back, also in the middle of a frame", () => {
  const decoder = new FrameDecoder();
  Array.from(feed(decoder, frameBytes(FrameKind.data, bytes(10_000, 13)).subarray(0, 6000)));
  const large = decoder.space().buffer;
  decoder.release();
  assertEquals(decoder.pending, 0);
  const next = takeBuffer();
  assertStrictEquals(next.buffer, large);
  decoder.release();
  assert(takeBuffer().buffer !== large, "a second release() gave the buffer back twice");
  giveBuffer(next);
});
