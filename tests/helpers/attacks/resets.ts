import { FrameKind } from "../../../lib/protocol/frames.ts";
import { frameBytes } from "../frames.ts";
import { type Attack, Hostile, overAndOver } from "./hostile.ts";

/** So many connections at a time. */
const WORKERS = 16;

const HALF_HELLO = frameBytes(FrameKind.hello, '{"ferry":1}').subarray(0, 12);

const DATA = frameBytes(FrameKind.data, new Uint8Array(64 * 1024));

/** Attacks that end connections with a reset. */
export const RESET_ATTACKS = {
  "resets at accept": (target, strike) =>
    overAndOver(WORKERS, async () => {
      (await Hostile.open(target)).reset();
      strike();
    }),
  "resets in the hello": (target, strike) =>
    overAndOver(WORKERS, async () => {
      const conn = await Hostile.secured(target);
      await conn.read(new Uint8Array(1));
      await conn.write(HALF_HELLO);
      conn.reset();
      strike();
    }),
  "resets in a get": (target, strike) =>
    overAndOver(WORKERS, async () => {
      const conn = await Hostile.greeted(target);
      await conn.ask({ command: "get", path: "big.bin" });
      await conn.read(new Uint8Array(1));
      conn.reset();
      strike();
    }),
  "resets in a put": (target, strike) =>
    overAndOver(WORKERS, async (worker) => {
      const conn = await Hostile.greeted(target);
      await conn.ask({ command: "put", path: `reset-${worker}`, size: 1e9 });
      for (let i = 0; i < 4; i++) await conn.write(DATA);
      conn.reset();
      strike();
    }),
} as const satisfies Record<string, Attack>;
