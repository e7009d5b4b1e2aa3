import { assert, assertLessOrEqual } from "@std/assert";
import { BUFFER_BYTES } from "../../lib/protocol/buffers.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { FrameDecoder, FrameKind } from "../../lib/protocol/frames.ts";
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES } from "../../lib/protocol/constants.ts";
import {
  concat,
  decodeFrames,
  frame,
  frameBytes,
  type FrameCopy,
  header,
  includesBytes,
  sameBytes,
  streamOf,
} from "../helpers/frames.ts";
import { bytes, Random, withRandom } from "../helpers/random.ts";
import { MIXED, SHORT } from "../helpers/streams.ts";

/**
 * Decodes in random pieces. Fails when the decoder throws anything but the two errors of a damaged stream, holds
 * more than a pooled buffer, or gives a payload over its limit.
 */
function decodeWithin(stream: Uint8Array, random: Random): { frames: FrameCopy[]; error: unknown } {
  const decoder = new FrameDecoder();
  const most = random.pick([1, 7, 100, 10_000]);
  const frames: FrameCopy[] = [];
  try {
    for (let at = 0;;) {
      for (let next = decoder.next(); next; next = decoder.next()) {
        const { kind, payload } = next;
        assertLessOrEqual(payload.length, kind === FrameKind.data ? MAX_DATA_BYTES : MAX_CONTROL_BYTES);
        frames.push(frame(kind, payload));
      }
      const space = decoder.space();
      assertLessOrEqual(space.buffer.byteLength, BUFFER_BYTES);
      if (at === stream.length) return { frames, error: undefined };
      const n = Math.min(space.length, 1 + random.below(most), stream.length - at);
      space.set(stream.subarray(at, at + n));
      decoder.filled(n);
      at += n;
    }
  } catch (error) {
    assert(error instanceof FerryError, `threw ${Deno.inspect(error)}`);
    assert(error.code === "Corrupt" || error.code === "BadRequest", `threw ${error.code}`);
    return { frames, error };
  } finally {
    decoder.release();
  }
}

Deno.test("FrameDecoder.next() gives the same frames for random pieces", () => {
  withRandom((random) => {
    const large = [...MIXED, frame(FrameKind.data, bytes(MAX_DATA_BYTES, 5)), ...MIXED];
    const stream = streamOf(large);
    for (let i = 0; i < 20; i++) {
      const most = random.pick([10, 100, 5000, 100_000]);
      assert(sameBytes(streamOf(decodeFrames(stream, () => 1 + random.below(most)).frames), stream));
    }
  });
});

Deno.test("FrameDecoder stays within its buffer and throws nothing but FerryError for random bytes", () => {
  withRandom((random) => {
    for (let i = 0; i < 2000; i++) decodeWithin(random.bytes(random.below(300)), random);
  });
});

Deno.test("FrameDecoder stays within its buffer and throws nothing but FerryError for random headers", () => {
  withRandom((random) => {
    let damaged = 0;
    for (let i = 0; i < 2000; i++) {
      const head = header(1 + random.below(12), random.below(random.pick([16, 5000, 70_000, 1 << 21])));
      const { error } = decodeWithin(
        concat(random.bytes(random.below(2)), head, random.bytes(random.below(200))),
        random,
      );
      if (error) damaged++;
    }
    assert(damaged > 0);
  });
});

Deno.test("FrameDecoder stays within its buffer and throws nothing but FerryError for damaged streams", () => {
  withRandom((random) => {
    const large = streamOf([...SHORT, frame(FrameKind.data, bytes(200_000, 9)), ...SHORT]);
    for (let i = 0; i < 500; i++) {
      const stream = random.damage(i % 10 === 0 ? large : streamOf(MIXED));
      const { frames } = decodeWithin(stream, random);
      // Whatever comes out was whole: it can be found, byte for byte, in what went in.
      for (const each of frames) assert(includesBytes(stream, frameBytes(each.kind, each.payload)));
    }
  });
});

Deno.test("FrameDecoder.space() is never empty and never larger than a pooled buffer", () => {
  withRandom((random) => {
    const stream = streamOf([...MIXED, frame(FrameKind.data, bytes(MAX_DATA_BYTES, 10)), ...MIXED]);
    const decoder = new FrameDecoder();
    for (let at = 0; at < stream.length;) {
      while (decoder.next());
      const space = decoder.space();
      assert(space.length > 0);
      assertLessOrEqual(space.buffer.byteLength, BUFFER_BYTES);
      const n = Math.min(stream.length - at, 1 + random.below(space.length));
      space.set(stream.subarray(at, at + n));
      decoder.filled(n);
      at += n;
    }
    decoder.release();
  });
});
