import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DEFAULT_LIMITS, type Limits } from "../../lib/access/limits.ts";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { Hostile } from "../helpers/attacks/hostile.ts";
import { checkLater } from "../helpers/deadlines.ts";
import { failsWith, RawPeer, Served, within } from "../helpers/raw.ts";

/** A server with these limits. */
const limited = (limits: Partial<Limits>) => Served.with({ "a.txt": "abc" }, { limits });

/** The reasons of the sessions that have ended, when there are `count`. */
async function reasons(served: Served, count: number): Promise<(string | undefined)[]> {
  return (await served.events.until("close", count)).map(({ reason }) => reason);
}

Deno.test("DEFAULT_LIMITS are what the documentation says", () => {
  assertEquals(DEFAULT_LIMITS, {
    connections: 4096,
    connectionsPerAddress: 1024,
    unauthenticated: 256,
    helloMs: 10_000,
    idleMs: 3_600_000,
    stallMs: 360_000,
    requests: 1024,
    fileBytes: Infinity,
    keepFreeBytes: 0,
    depth: 128,
    bytesPerSecond: Infinity,
    connectionBytesPerSecond: Infinity,
  });
});

const IDENTITY = await createIdentity();

Deno.test("serve() lets a client from elsewhere in although one address has taken all sessions, and ends an idle one", async () => {
  await using served = await limited({ connections: 4 });
  const target = { ...served.address, from: ["127.0.0.2"] };
  const crowd: Hostile[] = [];
  for (let i = 0; i < 4; i++) crowd.push(await Hostile.greeted(target));
  try {
    await using client = await served.connect();
    assertEquals((await client.stat("a.txt")).size, 3);
    assertStringIncludes((await reasons(served, 1))[0] ?? "", "idle for longest");
    await within(crowd[0]?.drain() ?? Promise.reject(), "the end of the idlest");
    assertEquals(served.server.sessions.length, 4);
  } finally {
    for (const each of crowd) each.close();
  }
});

for (
  const [what, limits, words] of [
    ["in all", { connections: 2 }, "the server's limit of 2 connections is reached"],
    ["of one address", { connectionsPerAddress: 2 }, "the server's limit of 2 connections from one address is reached"],
  ] as const
) {
  Deno.test(`serve() refuses one session too many ${what}, says which limit, and lets the next in when one ends`, async () => {
    await using served = await limited(limits);
    const first = await served.connect();
    await using second = await served.connect();
    const { message } = await failsWith(served.connect(), "Unreachable");
    assertStringIncludes(message, words);
    const [reason] = await reasons(served, 1);
    assertStringIncludes(reason ?? "", words);
    assertEquals((await second.stat("a.txt")).size, 3);
    await first.close();
    await served.events.until("close", 2);
    await using third = await served.connect();
    assertEquals((await third.stat("a.txt")).size, 3);
    await failsWith(served.connect(), "Unreachable");
  });
}

Deno.test("serve() answers Busy in place of the ok to one session too many", async () => {
  await using served = await limited({ connections: 1 });
  await using _first = await served.connect();
  using peer = await RawPeer.connect(served.address);
  await peer.receive();
  await peer.send("hello", { ferry: 1 });
  const { outcome, fields } = await peer.answer();
  assertEquals(outcome, "disconnect Busy");
  assertStringIncludes(fields.message ?? "", "limit of 1 connections");
  assertEquals(await peer.receive(), undefined);
});

Deno.test("serve() counts a session down however it ends", async (t) => {
  await using served = await limited({ connections: 1, connectionsPerAddress: 1 });
  const endings: Record<string, () => Promise<void>> = {
    "a reset": async () => {
      const peer = await RawPeer.greeted(served.address);
      // Closing with something unread resets the connection.
      await peer.send("request", { command: "stat" });
      await peer.conn.read(new Uint8Array(1));
      peer[Symbol.dispose]();
    },
    "a violation of the protocol": async () => {
      using peer = await RawPeer.greeted(served.address);
      await peer.send("ok", {});
      await peer.ended();
    },
    "a half closed connection": async () => {
      using peer = await RawPeer.greeted(served.address);
      await peer.conn.closeWrite();
      await peer.ended();
    },
    "a deadline": async () => {
      using peer = await RawPeer.greeted(served.address);
      checkLater(served, DEFAULT_LIMITS.idleMs + 1000);
      await peer.ended();
    },
    "a close": async () => await (await served.connect()).close(),
  };
  for (const [what, end] of Object.entries(endings)) {
    await t.step(what, async () => {
      const before = served.events.of("close").length;
      await end();
      await served.events.until("close", before + 1);
      assertEquals(served.server.sessions, []);
      await using client = await served.connect();
      assertEquals((await client.stat("a.txt")).size, 3);
      await client.close();
      await served.events.until("close", before + 2);
    });
  }
});

Deno.test("serve() does not count those who fail before they are in", async () => {
  const secret = Secret.create();
  await using served = await Served.with({}, { secret, limits: { connections: 1, connectionsPerAddress: 1 } });
  using _silent = await RawPeer.connect(served.address);
  using rude = await RawPeer.connect(served.address);
  await rude.send("request", { command: "stat" });
  await rude.ended();
  await failsWith(served.connect({ secret: Secret.create() }), "Unauthorized");
  await using client = await served.connect({ secret });
  await client.mkdir("in");
  await failsWith(served.connect({ secret }), "Unreachable");
});

// Before the hello

Deno.test("serve() ends the oldest stranger when there are too many, tells it why, and leaves the others", async () => {
  await using served = await limited({ unauthenticated: 2 });
  await using client = await served.connect();
  const peers: RawPeer[] = [];
  for (let i = 0; i < 3; i++) {
    const peer = await RawPeer.connect(served.address);
    assertEquals((await peer.receive())?.kind, "hello");
    peers.push(peer);
  }
  const [first, second, third] = peers;
  assert(first && second && third);
  const { outcome, fields } = await first.answer();
  assertEquals(outcome, "disconnect Busy");
  assertStringIncludes(fields.message ?? "", "too many clients are connecting at once");
  await within(first.ended(), "the end of the oldest");
  assertEquals(await reasons(served, 1), ["too many clients are connecting at once; try again"]);
  for (const peer of [second, third]) {
    await peer.send("hello", { ferry: 1 });
    assertEquals((await peer.receive())?.kind, "ok");
    assertEquals((await peer.ask({ command: "stat", path: "a.txt" })).outcome, "ok");
  }
  assertEquals((await client.stat("a.txt")).size, 3);
  for (const peer of peers) peer[Symbol.dispose]();
});

Deno.test("serve() does not count a stranger that has left or come in", async () => {
  await using served = await limited({ unauthenticated: 1 });
  await using first = await served.connect();
  await using second = await served.connect();
  for (let i = 0; i < 3; i++) (await RawPeer.connect(served.address))[Symbol.dispose]();
  await served.events.until("close", 3);
  using patient = await RawPeer.connect(served.address);
  await patient.receive();
  await patient.send("hello", { ferry: 1 });
  assertEquals((await patient.receive())?.kind, "ok");
  for (const client of [first, second]) assertEquals((await client.stat("a.txt")).size, 3);
});

Deno.test("serve() ends the oldest of those that have not agreed on the encryption, too", async () => {
  await using served = await Served.with({}, { identity: IDENTITY, limits: { unauthenticated: 2 } });
  const silent: RawPeer[] = [];
  for (let i = 0; i < 3; i++) silent.push(await RawPeer.connect(served.address));
  const [oldest, ...others] = silent;
  assert(oldest);
  await within(oldest.ended(), "the end of the oldest");
  const [warning] = await served.events.until("warning");
  assertStringIncludes(warning?.message ?? "", "did not complete the encryption");
  assertEquals(served.events.of("warning").length, 1);
  assertEquals(warning?.session, 1, "connections are counted from the moment in which they come");
  for (const peer of [oldest, ...others]) peer[Symbol.dispose]();
});

Deno.test("checkDeadlines() ends a stranger when its time is over, and not before", async () => {
  await using served = await limited({ helloMs: 3000 });
  using peer = await RawPeer.connect(served.address);
  await peer.receive();
  assertEquals(checkLater(served, 2500), []);
  checkLater(served, 3500);
  const { outcome, fields } = await peer.answer();
  assertEquals([outcome, fields.message], ["disconnect Timeout", "no hello within 3 s"]);
  await peer.conn.closeWrite();
  assertEquals(await reasons(served, 1), ["no hello within 3 s"]);
});

Deno.test("serve() ends TLS that is not begun within the time for the hello", async () => {
  await using served = await Served.with({}, { identity: IDENTITY, limits: { helloMs: 50 } });
  using peer = await RawPeer.connect(served.address);
  const [warning] = await served.events.until("warning");
  assertStringIncludes(warning?.message ?? "", "did not complete the encryption");
  await within(peer.ended(), "the end of the connection");
});
