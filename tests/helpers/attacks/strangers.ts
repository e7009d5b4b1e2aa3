import { setTimeout as delay } from "node:timers/promises";
import { FrameKind } from "../../../lib/protocol/frames.ts";
import { frameBytes, header } from "../frames.ts";
import { bytes } from "../random.ts";
import { Secret } from "../../../lib/auth/secret.ts";
import { connectTls as startTls } from "../../../lib/transport/tls_client.ts";
import { type Attack, Hostile, overAndOver } from "./hostile.ts";

/** More than a server lets wait before their hello. */
export const STRANGERS = 400;

const HELLO = frameBytes(FrameKind.hello, '{"ferry":1}');

/** What a crowd is. */
export const CROWD = 2000;

/** Longer than any test takes. */
const FOREVER_MS = 3600_000;

/** How often a slow client sends a byte, in ms. */
export const DRIBBLE_MS = 50;

/** When a client that was thrown out comes again, in ms. */
const RETURN_MS = 200;

/** What a client that wants to encrypt says first. */
async function clientHello(): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  const failing = startTls(client, { hostname: "127.0.0.1" }).catch(() => {});
  const buffer = new Uint8Array(4096);
  const n = await server.read(buffer);
  server.close();
  await failing;
  return buffer.subarray(0, n ?? 0);
}

/** Sends bytes one at a time, with a pause after each, and never the last one. */
async function dribble(conn: Hostile, message: Uint8Array, strike: () => void): Promise<void> {
  for (let at = 0; at < message.length - 1; at++) {
    await conn.write(message.subarray(at, at + 1));
    strike();
    await delay(DRIBBLE_MS);
  }
}

/** Waits until the server ends the connection, then a little. */
async function comeAgain(conn: Hostile): Promise<void> {
  try {
    await conn.drain();
  } finally {
    await delay(RETURN_MS);
  }
}

/** Attacks by those who have not said who they are. */
export const STRANGER_ATTACKS = {
  /** Connect and say nothing; who is thrown out comes again. */
  silence: (target, strike) =>
    overAndOver(STRANGERS, async () => {
      const conn = await Hostile.open(target);
      strike();
      await comeAgain(conn);
    }),
  /** The same by 2,000 at once, who stay away when they are thrown out. */
  "2,000 silent": (target, strike) =>
    Promise.all(Array.from({ length: CROWD }, async () => {
      const conn = await Hostile.open(target);
      strike();
      conn.ignore();
    })).then(() => delay(FOREVER_MS)),
  /** A byte of the hello now and then. */
  "slow hello": (target, strike) =>
    overAndOver(STRANGERS, async () => {
      const conn = await Hostile.secured(target);
      conn.ignore();
      await dribble(conn, HELLO, strike);
      await comeAgain(conn);
    }),
  /** The first half of what begins the encryption, then nothing. */
  "half a ClientHello": async (target, strike) => {
    const hello = await clientHello();
    await overAndOver(STRANGERS, async () => {
      const conn = await Hostile.open(target);
      await conn.write(hello.subarray(0, hello.length / 2));
      strike();
      await comeAgain(conn);
    });
  },
  /** A byte of what begins the encryption now and then. */
  "slow ClientHello": async (target, strike) => {
    const hello = await clientHello();
    await overAndOver(STRANGERS, async () => {
      const conn = await Hostile.open(target);
      await dribble(conn, hello, strike);
      await comeAgain(conn);
    });
  },
  /** The encryption in full, which costs the server most, and then nothing. */
  "encrypted silence": (target, strike) =>
    overAndOver(STRANGERS, async () => {
      const conn = await Hostile.secured(target);
      strike();
      await comeAgain(conn);
    }),
  /** What is no protocol at all. */
  garbage: (target, strike) => {
    const noise = bytes(4096);
    return overAndOver(32, async (worker) => {
      const conn = await Hostile.secured(target);
      await conn.write(noise.subarray(worker));
      strike();
      await conn.drain();
    });
  },
  /** The header of a frame that is larger than any may be. */
  "oversize frames": (target, strike) =>
    overAndOver(32, async () => {
      const conn = await Hostile.secured(target);
      await conn.write(header(FrameKind.hello, 0xffff_ffff));
      strike();
      await conn.drain();
    }),
  /** Hundreds of secrets that are wrong. */
  "wrong secrets": (target, strike) =>
    overAndOver(200, async () => {
      strike();
      const { conn } = await Hostile.client(target, Secret.create());
      conn.close();
    }),
} as const satisfies Record<string, Attack>;
