import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { BUFFER_BYTES } from "../../lib/protocol/buffers.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { FrameDecoder, FrameKind } from "../../lib/protocol/frames.ts";
import { concat, frame, frameBytes, type FrameCopy, header, sameBytes, streamOf } from "../helpers/frames.ts";
import type { Random } from "../helpers/random.ts";
import { mutateBytes, mutateFrames } from "./mutate.ts";
import { type Reference, referenceFrames } from "./reference.ts";
import { pureTarget, type Tally } from "./target.ts";

const KINDS = Object.values(FrameKind) as [FrameKind, ...FrameKind[]];

/** One payload in so many is as large as any may be. */
const LARGE_EVERY = 300;

function randomFrames(random: Random): FrameCopy[] {
  return Array.from({ length: 1 + random.below(6) }, () => {
    const kind = random.pick(KINDS);
    const usual = random.pick([0, 1, random.below(30), 4086, 4087, 4088, random.below(10_000)]);
    const largest = kind === FrameKind.data ? 1_048_576 - random.below(2) : 65_536 - random.below(2);
    return frame(kind, random.bytes(random.below(LARGE_EVERY) === 0 ? largest : usual));
  });
}

/** A stream of `frames`, or what became of it. */
function randomStream(random: Random, frames: readonly FrameCopy[]): Uint8Array<ArrayBuffer> {
  const stream = streamOf(frames);
  const change = random.below(5);
  if (change === 0) return stream;
  if (change < 3) return mutateBytes(random, stream);
  const length = random.below(random.pick([100, 70_000, 1_100_000, 2 ** 32]));
  const head = header(random.below(13), length);
  const at = random.below(stream.length + 1);
  if (change === 3) return concat(stream.subarray(0, at), head, stream.subarray(at));
  // The right CRC for a header that promises too much.
  return concat(stream, frameBytes(random.below(13), random.bytes(random.pick([0, 65_537, 70_000]))));
}

/** Decodes a stream in random pieces, and checks what must hold at every step. */
function decode(stream: Uint8Array, pieceSize: () => number): Reference {
  const decoder = new FrameDecoder();
  const frames: FrameCopy[] = [];
  try {
    for (let at = 0;;) {
      for (let next = decoder.next(); next; next = decoder.next()) frames.push(frame(next.kind, next.payload));
      const space = decoder.space();
      assert(space.length > 0, "there is no space for the next bytes");
      assertLessOrEqual(space.buffer.byteLength, BUFFER_BYTES);
      if (at === stream.length) return { frames, end: decoder.pending > 0 ? "incomplete" : "whole" };
      const n = Math.min(space.length, pieceSize(), stream.length - at);
      space.set(stream.subarray(at, at + n));
      decoder.filled(n);
      at += n;
    }
  } catch (error) {
    assert(error instanceof FerryError, `threw ${Deno.inspect(error)}`);
    assert(error.code === "BadRequest" || error.code === "Corrupt", `threw ${error.code}`);
    return { frames, end: error.code };
  } finally {
    decoder.release();
  }
}

function run(random: Random, seen: Tally): void {
  const sent = randomFrames(random);
  const frames = random.below(2) ? sent : mutateFrames(random, sent);
  const stream = randomStream(random, frames);
  const wanted = referenceFrames(stream);
  seen.add(wanted.end);
  for (const most of [stream.length, random.pick([1, 7, 100, 5000])]) {
    // Byte by byte would take long for a large stream.
    const pieceSize = () => 1 + random.below(Math.max(most, stream.length >> 12));
    const { frames, end } = decode(stream, pieceSize);
    assertEquals(end, wanted.end);
    assert(sameBytes(streamOf(frames), streamOf(wanted.frames)), "the frames are not those that were sent");
  }
}

/** The decoder gives what a far simpler one gives, for every stream and however it is split. */
export const FRAMES = pureTarget("frames", 35, run);
