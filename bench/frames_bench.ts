import { crc32 } from "node:zlib";
import { FrameDecoder, FrameEncoder, FrameKind } from "../lib/protocol/frames.ts";

/** A frame with `length` bytes of data, as it travels. */
function dataFrame(length: number): Uint8Array<ArrayBuffer> {
  const encoder = new FrameEncoder();
  const space = encoder.reserve(length);
  for (let at = 0; space && at < length; at += 65_536) {
    crypto.getRandomValues(space.subarray(at, Math.min(length, at + 65_536)));
  }
  encoder.commit(FrameKind.data, length);
  const frame = encoder.bytes.slice();
  encoder.release();
  return frame;
}

for (const [name, length] of [["4 KiB", 4096], ["1 MiB", 1024 * 1024]] as const) {
  const frame = dataFrame(length);
  const encoder = new FrameEncoder();
  const decoder = new FrameDecoder();

  Deno.bench(`crc32() of ${name}`, { group: name, baseline: true }, () => {
    crc32(frame);
  });

  Deno.bench(`FrameEncoder: one frame of ${name}, bytes in place`, { group: name }, () => {
    encoder.reserve(length);
    encoder.commit(FrameKind.data, length);
    encoder.release();
  });

  Deno.bench(`FrameDecoder: one frame of ${name}, copied in`, { group: name }, () => {
    for (let at = 0; at < frame.length;) {
      const space = decoder.space();
      const piece = frame.subarray(at, at + space.length);
      space.set(piece);
      decoder.filled(piece.length);
      at += piece.length;
      decoder.next();
    }
  });
}
