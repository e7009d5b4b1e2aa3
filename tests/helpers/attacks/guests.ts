import { setTimeout as delay } from "node:timers/promises";
import { FrameKind } from "../../../lib/protocol/frames.ts";
import type { Client } from "../../../lib/mod.ts";
import { frameBytes, sameBytes } from "../frames.ts";
import { FaultProxy } from "../proxy.ts";
import { bytes } from "../random.ts";
import { Collector } from "../raw.ts";
import { CROWD, DRIBBLE_MS } from "./strangers.ts";
import { type Attack, Hostile, overAndOver, type Target } from "./hostile.ts";

/** A small file that the attacked server has. */
export const SMALL = bytes(20_000, 3);

/** How many send their requests slowly. */
const SLOW = 400;

/** How many connect at the same time when a crowd gathers; a server that is not attacked has no trouble with it. */
const ARRIVING = 100;

async function assertSmall(client: Client): Promise<void> {
  const got = new Collector();
  await client.get("small.bin", got);
  if (!sameBytes(got.bytes, SMALL)) throw new Error("an attacker got wrong bytes");
}

/** Lets in 2,000 clients. */
async function crowd(target: Target) {
  const clients: Client[] = [];
  const arrive = async () => {
    while (clients.length < CROWD) {
      const place = clients.length++;
      clients[place] = (await Hostile.client(target)).client();
    }
  };
  await Promise.all(Array.from({ length: ARRIVING }, arrive));
  return clients;
}

/** Attacks by those who were let in, and do nothing that is not allowed. */
export const GUEST_ATTACKS = {
  /** A byte of a request now and then. */
  "slow requests": (target, strike) =>
    overAndOver(SLOW, async () => {
      const conn = await Hostile.greeted(target);
      conn.ignore();
      const request = frameBytes(FrameKind.request, '{"command":"dir"}');
      for (let at = 0;; at = (at + 1) % request.length) {
        await conn.write(request.subarray(at, at + 1));
        strike();
        await delay(DRIBBLE_MS);
      }
    }),
  /** All that a client can do, each byte in a packet of its own. */
  "single bytes": async (target, strike) => {
    const proxy = await FaultProxy.to(target, { toServer: { singleBytes: true } });
    await overAndOver(50, async (worker) => {
      const { client } = await Hostile.client({ ...target, ...proxy.address });
      await using talker = client();
      for (;;) {
        await Array.fromAsync(talker.dir());
        await assertSmall(talker);
        await talker.put(ReadableStream.from([SMALL.subarray(0, 200)]), `byte-${worker}`);
        strike();
      }
    });
  },
  /** 2,000 who are there. */
  "2,000 idle": async (target, strike) => {
    const clients = await crowd(target);
    for (let i = 0; i < clients.length; i++) strike();
    await Promise.all(clients.map(({ ended }) => ended));
  },
  /** 2,000 who all list at once, then all download, without end. */
  "2,000 at work": async (target, strike) => {
    const clients = await crowd(target);
    for (;;) {
      await Promise.all(clients.map((client) => Array.fromAsync(client.dir())));
      await Promise.all(clients.map(assertSmall));
      for (let i = 0; i < clients.length; i++) strike();
    }
  },
} as const satisfies Record<string, Attack>;
