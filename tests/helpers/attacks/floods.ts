import { FrameKind } from "../../../lib/protocol/frames.ts";
import { concat, frameBytes } from "../frames.ts";
import { type Attack, Hostile, overAndOver, type Strike, type Target } from "./hostile.ts";

/** So many at once; each could keep a core busy by itself. */
export const GREEDY = 100;

const DATA = frameBytes(FrameKind.data, new Uint8Array(1024 * 1024));
const END = frameBytes(FrameKind.end, '{"size":4194304}');

function cancelOf(request: number): Uint8Array {
  return frameBytes(FrameKind.cancel, JSON.stringify({ request }));
}

/** Sends requests as fast as the server takes them, and reads no answer. */
function unread(request: Record<string, unknown>): Attack {
  return (target, strike) =>
    overAndOver(GREEDY, async () => {
      const conn = await Hostile.greeted(target);
      for (;;) {
        await conn.ask(...Array.from({ length: 16 }, () => request));
        strike();
      }
    });
}

/** Keeps requests on their way all the time, and reads the answers. */
async function busily(target: Target, strike: Strike, ...requests: Record<string, unknown>[]): Promise<void> {
  await overAndOver(GREEDY, async () => {
    const conn = await Hostile.greeted(target);
    const answer = new Uint8Array(256 * 1024);
    await conn.ask(...requests, ...requests);
    strike();
    for (;;) {
      await conn.read(answer);
      // At least one answer was in it, most often.
      await conn.ask(...requests);
      strike();
    }
  });
}

/** Attacks that ask for more than anybody can give. */
export const FLOODS = {
  "unread stats": unread({ command: "stat" }),
  "unread listings": unread({ command: "dir", path: "many" }),
  "unread downloads": unread({ command: "get", path: "big.bin" }),
  "recursive listings": (target, strike) => busily(target, strike, { command: "dir", recursive: true }),
  stats: (target, strike) => busily(target, strike, ...Array.from({ length: 50 }, () => ({ command: "stat" }))),
  downloads: (target, strike) => busily(target, strike, { command: "get", path: "big.bin" }),
  sums: (target, strike) => busily(target, strike, { command: "sum", path: "big.bin" }),
  "block sums": (target, strike) => busily(target, strike, { command: "blocks", path: "big.bin", length: 1e12 }),
  /** Uploads to a name that is refused; the server has to take and ignore the bytes. */
  "refused uploads": (target, strike) =>
    overAndOver(8, async () => {
      const conn = await Hostile.greeted(target);
      conn.ignore();
      for (;;) {
        await conn.ask({ command: "put", path: "../outside" });
        for (let i = 0; i < 4; i++) await conn.write(DATA);
        await conn.write(END);
        strike();
      }
    }),
  /** Downloads that are given up as soon as they have begun. */
  cancels: (target, strike) =>
    overAndOver(GREEDY, async () => {
      const conn = await Hostile.greeted(target);
      conn.ignore();
      for (let request = 1;; request += 2) {
        await conn.ask({ command: "get", path: "big.bin" }, { command: "dir", path: "many" });
        await conn.write(concat(cancelOf(request), cancelOf(request + 1)));
        strike();
      }
    }),
} as const satisfies Record<string, Attack>;
