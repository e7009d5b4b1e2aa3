import { FrameKind } from "../../lib/protocol/frames.ts";
import { concat, frameBytes } from "../helpers/frames.ts";
import type { RawFrame, RawPeer } from "../helpers/raw.ts";
import type { Expected } from "./expect.ts";

/** All that a server has said on one connection. */
export interface Received {
  readonly frames: readonly RawFrame[];
  readonly bytes: Uint8Array;
  /** Whether the connection ended with a reset. */
  readonly reset: boolean;
}

/** Whether a frame ends the answer to a request, or the connection. */
export function isAnswer({ kind }: RawFrame): boolean {
  return kind === "ok" || kind === "error" || kind === "disconnect";
}

/** Receives until the server closes. Closes our side when the server can only wait for the rest of a frame. */
export async function receiveAll(peer: RawPeer, expected: Expected): Promise<Received> {
  const frames: RawFrame[] = [];
  // Besides the answer to the hello. A request whose body has not ended is not answered.
  const enough = expected.asked.length - (expected.bodyIsOpen ? 1 : 0) + (expected.greeted ? 1 : 0);
  const wait = expected.end === "incomplete";
  let reset = false;
  try {
    for (let answers = 0, waiting = wait;;) {
      if (waiting && answers >= enough && frames.length > 0) {
        waiting = false;
        await peer.conn.closeWrite();
      }
      const frame = await peer.receive();
      if (!frame) break;
      frames.push(frame);
      if (isAnswer(frame)) answers++;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    reset = true;
  }
  const bytes = concat(...frames.map(({ kind, payload }) => frameBytes(FrameKind[kind], payload)));
  return { frames, bytes, reset };
}
