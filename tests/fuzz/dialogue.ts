import { type CommandName, COMMANDS } from "../../lib/protocol/commands.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { frame, type FrameCopy } from "../helpers/frames.ts";
import type { Random } from "../helpers/random.ts";
import { REQUEST_SAMPLES, type Scene } from "./samples.ts";

/** `close` is left out: it would end most conversations early. */
const COMMAND_NAMES = Object.keys(COMMANDS).filter((name) => name !== "close") as [CommandName, ...CommandName[]];

/** What else is asked, more often than once for each command, since there is most to go wrong. */
const OFTEN = ["get", "put", "put", "put", "part"] as const;

const MOST_REQUESTS = 8;

/** A shared upload has so many parts of this size. */
export const SHARED_PARTS = 3;
export const PART_BYTES = 1000;

/** A frame with JSON in it. */
export function jsonFrame(kind: FrameKind, value: unknown): FrameCopy {
  return frame(kind, JSON.stringify(value));
}

/** The client's part of a valid conversation after the hello, all of it without waiting for an answer. */
export function randomDialogue(random: Random, scene: Scene): FrameCopy[] {
  const frames = randomParts(random, scene);
  for (let i = random.below(MOST_REQUESTS); i >= 0; i--) {
    const name = random.below(3) === 0 ? random.pick(OFTEN) : random.pick(COMMAND_NAMES);
    const size = name === "part" ? PART_BYTES : random.below(random.pick([1, 100, 3000, 3000, 30_000]));
    frames.push(jsonFrame(FrameKind.request, REQUEST_SAMPLES[name](random, scene, size)));
    const number = frames.filter(({ kind }) => kind === FrameKind.request).length;
    if (name === "put" || name === "part") frames.push(...randomBody(random, size, number));
    // Now and then there is no such request.
    if (random.below(30) === 0) frames.push(cancelOf(number + (random.below(20) === 0 ? 1 : -random.below(number))));
  }
  if (random.below(10) === 0) frames.push(jsonFrame(FrameKind.request, { command: "close" }));
  return frames;
}

/** All parts of the shared upload, in any order. */
function randomParts(random: Random, { upload }: Scene): FrameCopy[] {
  if (upload === undefined || random.below(3) === 0) return [];
  const first = random.below(SHARED_PARTS);
  return Array.from({ length: SHARED_PARTS }).flatMap((_, i) => {
    const offset = PART_BYTES * ((first + i) % SHARED_PARTS);
    const request = jsonFrame(FrameKind.request, { command: "part", upload, offset });
    return [request, ...randomBody(random, PART_BYTES, i + 1)];
  });
}

function cancelOf(request: number): FrameCopy {
  return jsonFrame(FrameKind.cancel, { request });
}

/** A body of `size` bytes in a few pieces, now and then given up, it or its request, the `number`-th. */
function randomBody(random: Random, size: number, number: number): FrameCopy[] {
  const frames: FrameCopy[] = [];
  let sent = 0;
  while (sent < size) {
    const n = Math.min(size - sent, 1 + random.below(2 * size));
    frames.push(frame(FrameKind.data, random.bytes(n)));
    sent += n;
    if (random.below(8) === 0) frames.push(frame(FrameKind.data));
  }
  const end = random.below(10);
  if (end === 0) frames.push(jsonFrame(FrameKind.error, { code: "Cancelled", message: "given up" }));
  else frames.push(...(end === 1 ? [cancelOf(number)] : []), jsonFrame(FrameKind.end, { size: sent }));
  return frames;
}
