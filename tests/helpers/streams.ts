import { FrameKind } from "../../lib/protocol/frames.ts";
import { HEADER_BYTES } from "../../lib/protocol/constants.ts";
import { frame, type FrameCopy } from "./frames.ts";
import { bytes } from "./random.ts";

/** Every kind, empty and not, around the decoder's first buffer of 4,096 bytes. */
export const MIXED: readonly FrameCopy[] = [
  frame(FrameKind.hello, '{"ferry":[1]}'),
  frame(FrameKind.request, '{"command":"get","path":"天线.doc"}'),
  frame(FrameKind.ready, '{"size":5,"mtimeMs":0,"version":"v"}'),
  frame(FrameKind.data, bytes(1, 1)),
  frame(FrameKind.data),
  frame(FrameKind.data, bytes(4096 - HEADER_BYTES, 2)),
  frame(FrameKind.end, '{"size":1}'),
  frame(FrameKind.entries, "[]"),
  frame(FrameKind.data, bytes(4097 - HEADER_BYTES, 3)),
  frame(FrameKind.ok, "{}"),
  frame(FrameKind.error, '{"code":"NotFound","message":"m"}'),
  frame(FrameKind.cancel),
  frame(FrameKind.notice, '{"text":"t","reason":"message"}'),
];

/** A short stream, for tests that go through it bit by bit. */
export const SHORT: readonly FrameCopy[] = [
  frame(FrameKind.hello, '{"ferry":1}'),
  frame(FrameKind.data, bytes(20, 4)),
  frame(FrameKind.cancel),
  frame(FrameKind.end, '{"size":20}'),
];
