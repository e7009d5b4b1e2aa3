import { assert, assertEquals } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { DEFAULT_LIMITS } from "../../lib/access/limits.ts";
import { MovedClock } from "../helpers/clock.ts";
import { checkLater } from "../helpers/deadlines.ts";
import { eventually } from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { RawPeer, Served, within } from "../helpers/raw.ts";

/** More than the stall timeout, in ms. */
const LONG_MS = DEFAULT_LIMITS.stallMs + 10_000;

/** How often a client that waits in the middle of a body shows that it is there, in ms. */
const SIGN_INTERVAL_MS = 10_000;

/** How far the clock moves between two signs that a client is there, in ms. */
const ALIVE_MS = DEFAULT_LIMITS.stallMs - 10_000;

Deno.test("checkDeadlines() does not take the server's own time for the client's while it answers", async () => {
  using clock = new MovedClock();
  const looked: string[] = [];
  await using served = await Served.with({ "a.txt": "abc" }, {
    onEvent: ({ event }) => {
      if (event !== "command") return;
      // The answer is on its way, but the system has not taken it yet.
      looked.push(...checkLater(served, 0), "alive");
    },
  }, (storage) => ({
    digest: (...args) => {
      clock.forward(LONG_MS);
      return storage.digest(...args);
    },
  }));
  await using client = await served.connect();
  assertEquals((await client.sum("a.txt")).size, 3);
  assertEquals(looked, ["alive"]);
  assertEquals((await client.sum("a.txt")).size, 3);
});

Deno.test("checkDeadlines() counts the time for the next bytes from when they are wanted", async () => {
  using clock = new MovedClock();
  const written = Promise.withResolvers<void>();
  await using served = await Served.with({}, {}, (storage) => ({
    upload: async (...args) => {
      clock.forward(LONG_MS);
      const upload = await storage.upload(...args);
      const write = upload.write.bind(upload);
      upload.write = (bytes) => {
        written.resolve();
        return write(bytes);
      };
      return upload;
    },
  }));
  using other = await RawPeer.greeted(served.address);
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(["request", { command: "put", path: "x", size: 6 }], ["data", bytes(3)]);
  await within(written.promise, "the first bytes");
  await other.ask({ command: "stat" });
  assertEquals(checkLater(served, 0), []);
  await peer.sendAll(["data", bytes(3)], ["end", { size: 6 }]);
  assertEquals((await peer.answer()).outcome, "ok");
});

Deno.test("checkDeadlines() leaves who shows that it is there, although it reads nothing, for an hour and no longer", async () => {
  using clock = new MovedClock();
  await using served = await Served.with({ "big.bin": new Uint8Array(32 * 1024 * 1024) });
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "get", path: "big.bin" });
  const [session] = served.server.sessions;
  assert(session);
  // It has written what the system takes, and waits.
  await eventually("nothing moves", async () => {
    const before = session.progressAt;
    await delay(20);
    return session.busyWith === "get" && session.progressAt === before;
  });
  const steps = Math.ceil(DEFAULT_LIMITS.idleMs / ALIVE_MS);
  for (let i = 1; i <= steps; i++) {
    clock.forward(ALIVE_MS);
    const before = session.progressAt;
    await peer.send("alive");
    await eventually("the sign has come", () => session.progressAt > before);
    assertEquals(checkLater(served, 0), i < steps ? [] : ["no progress within 3600 s"]);
  }
});

Deno.test("checkDeadlines() ends who reads nothing and does not show that it is there", async () => {
  await using served = await Served.with({ "big.bin": new Uint8Array(32 * 1024 * 1024) });
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "get", path: "big.bin" });
  await peer.receive();
  assertEquals(checkLater(served, DEFAULT_LIMITS.stallMs - 10_000), []);
  assertEquals(checkLater(served, DEFAULT_LIMITS.stallMs + 10_000), ["no progress within 360 s"]);
});

Deno.test("checkDeadlines() does not take a sign of life for a request", async () => {
  using clock = new MovedClock();
  await using served = await Served.with({});
  using peer = await RawPeer.greeted(served.address);
  const [session] = served.server.sessions;
  assert(session);
  clock.forward(DEFAULT_LIMITS.idleMs - 1000);
  await peer.send("alive");
  await eventually("the sign has come", () => session.progressAt > performance.now() - 60_000);
  assertEquals(checkLater(served, 0), []);
  assertEquals(checkLater(served, 2000), ["no request within 3600 s"]);
});

Deno.test("checkDeadlines() shows a client every 10 s that its answer is on its way", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using served = await Served.with({ "a.txt": "abc" }, {}, (storage) => ({
    digest: async (...args) => {
      begun.resolve();
      await release.promise;
      return await storage.digest(...args);
    },
  }));
  using clock = new MovedClock();
  using peer = await RawPeer.greeted(served.address);
  using idle = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "sum", path: "a.txt" });
  await begun.promise;
  for (let i = 0; i < 3; i++) {
    clock.forward(9_000);
    assertEquals(checkLater(served, 0), []);
    clock.forward(2_000);
    assertEquals(checkLater(served, 0), []);
    assertEquals((await peer.receive())?.kind, "alive");
  }
  release.resolve();
  const { outcome, frames } = await peer.answer();
  assertEquals([outcome, frames], ["ok", []]);
  const answer = await idle.ask({ command: "stat" });
  assertEquals([answer.outcome, answer.frames], ["ok", []]);
});

/** Signs of life come at once, until the end of the scope. */
function hurriedSigns(): Disposable {
  const original = globalThis.setInterval;
  const hurried = (callback: () => void, ms?: number) => original(callback, ms === SIGN_INTERVAL_MS ? 5 : ms);
  globalThis.setInterval = Object.assign(hurried, original);
  return { [Symbol.dispose]: () => void (globalThis.setInterval = original) };
}

Deno.test("put() of a stream that pauses shows the server that the client is there", async () => {
  using clock = new MovedClock();
  using _signs = hurriedSigns();
  const written = Promise.withResolvers<void>();
  await using served = await Served.with({}, {}, (storage) => ({
    upload: async (...args) => {
      const upload = await storage.upload(...args);
      const write = upload.write.bind(upload);
      upload.write = (bytes) => {
        written.resolve();
        return write(bytes);
      };
      return upload;
    },
  }));
  await using client = await served.connect();
  const [session] = served.server.sessions;
  assert(session);
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const input = writable.getWriter();
  const putting = client.put(readable, "x");
  await input.write(bytes(2 * 1024 * 1024));
  await within(written.promise, "the first bytes");
  for (let i = 0; i < 3; i++) {
    clock.forward(DEFAULT_LIMITS.stallMs / 2 + 1_000);
    const before = performance.now();
    await eventually("a sign of life", () => session.progressAt > before);
    assertEquals(checkLater(served, 0), []);
  }
  await input.write(bytes(3));
  await input.close();
  assertEquals((await within(putting)).size, 2 * 1024 * 1024 + 3);
});
