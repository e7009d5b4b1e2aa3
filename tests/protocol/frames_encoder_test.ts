import { assert, assertEquals, assertThrows } from "@std/assert";
import { BUFFER_BYTES, giveBuffer, MEDIUM_BUFFER_BYTES, takeBuffer } from "../../lib/protocol/buffers.ts";
import { FrameDecoder, FrameEncoder, FrameKind, frameName, sealFrame } from "../../lib/protocol/frames.ts";
import { HEADER_BYTES, MAX_DATA_BYTES, MAX_FRAME_BYTES } from "../../lib/protocol/constants.ts";
import { concat, decodeFrames, feed, frameBytes, sameBytes, streamOf } from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";
import { MIXED } from "../helpers/streams.ts";

Deno.test("sealFrame() writes the header of a payload that stands in place", () => {
  const buffer = new Uint8Array(100).fill(0xaa);
  const payload = bytes(10, 14);
  buffer.set(payload, 20 + HEADER_BYTES);
  sealFrame(buffer, 20, FrameKind.data, 10);
  const expected = new Uint8Array(100).fill(0xaa);
  expected.set(frameBytes(FrameKind.data, payload), 20);
  assertEquals(buffer, expected);
});

Deno.test("sealFrame() writes into a view that does not begin at its buffer's start", () => {
  const whole = new Uint8Array(64);
  const view = whole.subarray(7, 40);
  sealFrame(view, 3, FrameKind.cancel, 0);
  assertEquals(whole.subarray(10, 10 + HEADER_BYTES), frameBytes(FrameKind.cancel));
});

Deno.test("FrameEncoder.commit() collects frames in order", () => {
  const encoder = new FrameEncoder();
  assert(encoder.empty);
  assertEquals(encoder.bytes.length, 0);
  for (const { kind, payload } of MIXED) {
    const space = encoder.reserve(payload.length + 10);
    assert(space);
    assertEquals(space.length, payload.length + 10);
    space.set(payload);
    encoder.commit(kind as FrameKind, payload.length);
    assertEquals(encoder.empty, false);
  }
  assertEquals(encoder.bytes, streamOf(MIXED));
  encoder.release();
});

Deno.test("FrameEncoder.reserve() has room for the largest frame after small ones, then gives undefined", () => {
  const encoder = new FrameEncoder();
  for (let i = 0; i < 3; i++) {
    encoder.reserve(1000)?.set(bytes(1000, i));
    encoder.commit(FrameKind.notice, 1000);
  }
  assertEquals(encoder.reserve(MAX_DATA_BYTES)?.length, MAX_DATA_BYTES);
  encoder.commit(FrameKind.data, MAX_DATA_BYTES);
  const before = encoder.bytes.slice();
  assertEquals(encoder.reserve(MAX_DATA_BYTES), undefined);
  assertEquals(encoder.bytes.length, before.length);
  assertEquals(decodeFrames(encoder.bytes).frames.map(({ kind }) => kind), [10, 10, 10, 5]);
  encoder.release();
});

Deno.test("FrameEncoder.reserve() fills the buffer to its last byte", () => {
  const encoder = new FrameEncoder();
  assertEquals(encoder.reserve(BUFFER_BYTES - HEADER_BYTES + 1), undefined);
  assert(encoder.reserve(BUFFER_BYTES - HEADER_BYTES));
  encoder.release();
  assert(BUFFER_BYTES >= MAX_FRAME_BYTES);
});

Deno.test("FrameEncoder.reserve() forgets a place that was not used", () => {
  const encoder = new FrameEncoder();
  encoder.reserve(100)?.fill(0xee);
  encoder.reserve(2)?.set([1, 2]);
  encoder.commit(FrameKind.data, 2);
  assertEquals(encoder.bytes, frameBytes(FrameKind.data, new Uint8Array([1, 2])));
  encoder.release();
});

for (const size of [10_000, 100_000]) {
  Deno.test(`FrameEncoder.release() gives the buffer back and starts anew: ${size} bytes`, () => {
    const encoder = new FrameEncoder();
    const space = encoder.reserve(size);
    encoder.commit(FrameKind.cancel, 0);
    encoder.release();
    assert(encoder.empty);
    assertEquals(encoder.bytes.length, 0);
    const next = takeBuffer(size);
    assert(next.buffer === space?.buffer);
    encoder.release();
    assert(takeBuffer(size) !== next, "a second release() gave the buffer back twice");
    assert(encoder.reserve(size)?.buffer !== next.buffer);
    encoder.release();
    giveBuffer(next);
  });
}

Deno.test("FrameEncoder takes no larger a buffer than it needs, and keeps its frames when it takes a larger one", () => {
  const encoder = new FrameEncoder();
  const frames: Uint8Array[] = [];
  for (const [size, length] of [[100, 4096], [20_000, MEDIUM_BUFFER_BYTES], [60_000, BUFFER_BYTES]] as const) {
    const payload = bytes(size, size);
    const space = encoder.reserve(size);
    assertEquals(space?.buffer.byteLength, length);
    space?.set(payload);
    encoder.commit(FrameKind.data, size);
    frames.push(frameBytes(FrameKind.data, payload));
  }
  assert(sameBytes(encoder.bytes, concat(...frames)));
  encoder.release();
});

Deno.test("FrameEncoder.commit() throws without reserve()", () => {
  assertThrows(() => new FrameEncoder().commit(FrameKind.ok, 0), TypeError);
});

Deno.test("FrameEncoder and FrameDecoder use different buffers at the same time", () => {
  const [one, other, decoder] = [new FrameEncoder(), new FrameEncoder(), new FrameDecoder()];
  Array.from(feed(decoder, frameBytes(FrameKind.data, bytes(10_000, 15)).subarray(0, 6000)));
  const buffers = [one.reserve(1)?.buffer, other.reserve(1)?.buffer, decoder.space().buffer];
  assertEquals(new Set(buffers).size, 3);
  one.release();
  other.release();
  decoder.release();
});

for (
  const [wanted, size] of [[undefined, BUFFER_BYTES], [MEDIUM_BUFFER_BYTES + 1, BUFFER_BYTES], [1, MEDIUM_BUFFER_BYTES]]
) {
  Deno.test(`takeBuffer() gives each buffer to one taker, of ${size} bytes for ${wanted}`, () => {
    const take = () => takeBuffer(wanted);
    const taken = Array.from({ length: 100 }, take);
    assertEquals(new Set(taken).size, 100);
    taken.forEach(giveBuffer);
    const again = Array.from({ length: 100 }, take);
    assertEquals(new Set(again).size, 100);
    for (const buffer of again) assertEquals(buffer.length, size);
    // Some are kept and used again, not all of them.
    const kept = again.filter((buffer) => taken.includes(buffer)).length;
    assert(kept > 0 && kept < 100, `${kept} buffers were kept`);
    again.forEach(giveBuffer);
  });
}

Deno.test("giveBuffer() ignores what did not come from the pool", () => {
  const foreign = new Uint8Array(10);
  giveBuffer(foreign);
  const taken = Array.from({ length: 20 }, takeBuffer);
  assertEquals(taken.includes(foreign), false);
  taken.forEach(giveBuffer);
});

Deno.test("frameName() names every kind", () => {
  for (const [name, kind] of Object.entries(FrameKind)) assertEquals(frameName(kind), name);
});
