import { type Entry } from "../../lib/mod.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { concat, frameBytes } from "./frames.ts";
import { FakeServer, type Kind } from "./raw.ts";

export function file(path: string): Entry {
  return { path, kind: "file", size: 1, mtimeMs: 0 };
}

export function encode(kind: Kind, value: unknown): Uint8Array {
  return frameBytes(FrameKind[kind], JSON.stringify(value));
}

/** Many frames of one kind in one piece. */
export function flood(kind: Kind, value: unknown): Uint8Array {
  const one = encode(kind, value);
  return concat(...Array<Uint8Array>(Math.ceil(256 * 1024 / one.length)).fill(one));
}

/** A server that answers the first request with one piece after the other, without end; it counts their bytes. */
export function flooding(next: () => Uint8Array): { server: FakeServer; sent: () => number } {
  let sent = 0;
  const server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    for (;;) {
      const piece = next();
      await peer.sendBytes(piece);
      sent += piece.length;
    }
  });
  return { server, sent: () => sent };
}

/** How many bytes of memory are in use more than at the beginning. */
export function growth(): () => number {
  const before = Deno.memoryUsage().rss;
  return () => Deno.memoryUsage().rss - before;
}
