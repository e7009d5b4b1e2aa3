import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { Hostile } from "../helpers/attacks/hostile.ts";
import { MovedClock } from "../helpers/clock.ts";
import { frameBytes } from "../helpers/frames.ts";
import { eventually } from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { failsWith, RawPeer, Served, within } from "../helpers/raw.ts";

/** A little more, and a little less, than a session may stand still before it makes room for others, in ms. */
const MORE_MS = 61_000;
const LESS_MS = 59_000;

/** More than the system takes for a client that does not read, in bytes. */
const LARGE = 32 * 1024 * 1024;

// Who stands still

/** A session that is in the middle of a `put`, and its client. */
async function putting(served: Served) {
  const peer = await RawPeer.greeted(served.address);
  const session = served.server.sessions.at(-1);
  assert(session);
  await peer.sendAll(["request", { command: "put", path: "f" }], ["data", bytes(3)]);
  await eventually("more is wanted", () => {
    return session.busyWith === "put" && session.idleSince(performance.now() + MORE_MS) !== undefined;
  });
  return { peer, session };
}

Deno.test("idleSince() counts who stands still in a put, after a minute and until more comes", async () => {
  using clock = new MovedClock();
  await using served = await Served.with();
  const { peer, session } = await putting(served);
  using _peer = peer;
  assertEquals(session.idleSince(performance.now() + LESS_MS), undefined);
  clock.forward(MORE_MS);
  const since = session.idleSince(performance.now());
  assert(since !== undefined);
  for (const kind of ["data", "alive"] as const) {
    clock.forward(1000);
    const before = performance.now();
    await peer.send(kind);
    await eventually("it has come", () => session.progressAt >= before);
    await eventually("more is wanted", () => session.idleSince(performance.now()) === since);
  }
  await peer.send("data", bytes(3));
  await eventually("it works", () => session.idleSince(performance.now()) === undefined);
  await eventually("more is wanted", () => session.idleSince(performance.now() + MORE_MS) !== undefined);
  assertEquals(session.idleSince(performance.now() + LESS_MS), undefined);
});

Deno.test("idleSince() counts who does not read on in a get, after a minute and until it reads", async () => {
  using clock = new MovedClock();
  await using served = await Served.with({ "big.bin": new Uint8Array(LARGE) });
  using peer = await RawPeer.greeted(served.address);
  const [session] = served.server.sessions;
  assert(session);
  await peer.send("request", { command: "get", path: "big.bin" });
  // Until the system has taken all that it takes, it works.
  for (let i = 0, stands = false; !stands; i++) {
    assertLess(i, 1000, "it never stood still");
    clock.forward(MORE_MS);
    const since = session.idleSince(performance.now());
    await delay(10);
    stands = session.busyWith === "get" && since !== undefined && session.idleSince(performance.now()) === since;
  }
  while (session.idleSince(performance.now()) !== undefined) assert(await peer.receive());
  assertEquals(session.busyWith, "get");
});

Deno.test("idleSince() leaves alone whose answer takes the server's own time", async () => {
  const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using served = await Served.with({ "a.txt": "abc" }, {}, (storage) => ({
    digest: async (...args) => {
      reached.resolve();
      await opened.promise;
      return await storage.digest(...args);
    },
  }));
  await using client = await served.connect();
  const [session] = served.server.sessions;
  assert(session);
  const sum = client.sum("a.txt");
  await reached.promise;
  const since = session.idleSince(performance.now() + MORE_MS);
  opened.resolve();
  await sum;
  assertEquals(since, undefined);
});

Deno.test("serve() ends one who has stood still for a minute when it is full, and none who has not", async () => {
  using clock = new MovedClock();
  await using served = await Served.with({ "a.txt": "abc" }, { limits: { connections: 4 } });
  const target = { ...served.address, from: ["127.0.0.2"] };
  const crowd: Hostile[] = [];
  for (let i = 0; i < 4; i++) crowd.push(await Hostile.greeted(target));
  try {
    for (const [i, each] of crowd.entries()) await each.ask({ command: "put", path: `${i}` });
    const { sessions } = served.server;
    await eventually("all wait for more", () => {
      return sessions.every((each) => {
        return each.busyWith === "put" && each.idleSince(performance.now() + MORE_MS) !== undefined;
      });
    });
    const { message } = await failsWith(served.connect(), "Unreachable");
    assertStringIncludes(message, "4 connections");
    clock.forward(MORE_MS);
    // Three of them go on.
    for (const each of crowd.slice(1)) await each.write(frameBytes(FrameKind.data, bytes(3)));
    await eventually("they work", () => {
      return sessions.filter((each) => each.idleSince(performance.now()) === undefined).length === 3;
    });
    await using client = await served.connect();
    assertEquals((await client.stat("a.txt")).size, 3);
    await within(crowd[0]?.drain() ?? Promise.reject(), "the end of the one that stood still");
    crowd[0]?.close();
    const ended = (await served.events.until("close", 2)).at(-1);
    assertEquals(ended?.session, sessions[0]?.id);
    assertStringIncludes(ended?.reason ?? "", "idle for longest");
    await failsWith(served.connect(), "Unreachable");
  } finally {
    for (const each of crowd) each.close();
  }
});

// Lines of the operator

Deno.test("notify() lets at most 64 lines wait for a client, and takes more when they have gone", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  const [session] = served.server.sessions;
  assert(session);
  // The answer to a request shows that the session has begun.
  await peer.ask({ command: "stat" });
  for (let round = 0; round < 2; round++) {
    const taken = await Promise.all(Array.from({ length: 70 }, (_, i) => session.notify(`${i}`)));
    assertEquals(taken, Array.from({ length: 70 }, (_, i) => i < 64));
    for (let i = 0; i < 64; i++) {
      assertEquals((await peer.receive())?.value, { text: `${i}`, reason: "message" });
    }
  }
});
