import { crc32 } from "node:zlib";
import type { FrameCopy } from "../helpers/frames.ts";

/** What a stream is according to `docs/protocol.md`. */
export interface Reference {
  readonly frames: readonly FrameCopy[];
  /** How it ends: with the last frame, in the middle of one, or with something that no receiver may accept. */
  readonly end: "whole" | "incomplete" | "BadRequest" | "Corrupt";
}

const DATA_KIND = 5;
const LAST_KIND = 12;

/** Cuts a whole stream into frames, as simply as possible, to compare the decoder with. */
export function referenceFrames(stream: Uint8Array): Reference {
  const frames: FrameCopy[] = [];
  for (let rest = stream.slice();;) {
    if (rest.length === 0) return { frames, end: "whole" };
    if (rest.length < 9) return { frames, end: "incomplete" };
    const view = new DataView(rest.buffer, rest.byteOffset);
    const [crc, length, kind] = [view.getUint32(0), view.getUint32(4), view.getUint8(8)];
    const limit = kind === DATA_KIND ? 1_048_576 : 65_536;
    if (kind < 1 || kind > LAST_KIND || length > limit) return { frames, end: "BadRequest" };
    if (rest.length < 9 + length) return { frames, end: "incomplete" };
    if (crc32(rest.subarray(4, 9 + length)) !== crc) return { frames, end: "Corrupt" };
    frames.push({ kind, payload: rest.slice(9, 9 + length) });
    rest = rest.subarray(9 + length);
  }
}
