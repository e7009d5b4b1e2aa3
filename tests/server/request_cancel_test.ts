import { assertEquals } from "@std/assert";
import type { Storage } from "../../lib/mod.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, type Kind, namesIn, RawPeer, Served, within } from "../helpers/raw.ts";

/** So much of bodies that wait is received and kept, in bytes. */
const AHEAD_BYTES = 1024 * 1024;

type Frames = [kind: Kind, value?: unknown][];

/** A put of a small file. */
const put = (path: string): Frames => [
  ["request", { command: "put", path }],
  ["data", bytes(5)],
  ["end", { size: 5 }],
];

/** A server whose `sum` takes until it is released, or given up where it looks at its signal. */
async function withSlowSum() {
  const begun = Promise.withResolvers<AbortSignal>();
  const release = Promise.withResolvers<void>();
  const digest = (storage: Storage): Partial<Storage> => ({
    digest: async (path, { signal } = {}) => {
      if (signal) begun.resolve(signal);
      await release.promise;
      return await storage.digest(path);
    },
  });
  const served = await Served.with({ "slow.bin": "slow" }, {}, digest);
  return { served, begun: begun.promise, release: release.resolve };
}

/** Waits until the server has seen a cancel, or that the client is gone. */
async function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve());
  if (signal.aborted) resolve();
  await within(promise, "the end of the requests");
}

Deno.test("serve() never stores what was cancelled while it waited behind a slow request", async () => {
  const { served, begun, release } = await withSlowSum();
  await using _ = served;
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(
    ["request", { command: "sum", path: "slow.bin" }],
    ...put("one"),
    ...put("two"),
    ["request", { command: "mkdir", path: "three" }],
    ["request", { command: "mkdir", path: "four" }],
    ...[5, 4, 3, 1].map((request): Frames[number] => ["cancel", { request }]),
  );
  await aborted(await begun);
  release();
  const outcomes = [];
  for (let i = 0; i < 5; i++) outcomes.push((await peer.answer()).outcome);
  assertEquals(outcomes, ["ok", "ok", "Cancelled", "Cancelled", "Cancelled"]);
  assertEquals(await namesIn(served.join()), ["one", "slow.bin"]);
  await peer.sendAll(...put("after"));
  assertEquals((await peer.answer()).outcome, "ok");
});

Deno.test("serve() begins nothing more of what a client had asked for that is gone", async () => {
  const { served, begun, release } = await withSlowSum();
  await using _ = served;
  const peer = await RawPeer.greeted(served.address);
  await peer.sendAll(["request", { command: "sum", path: "slow.bin" }], ...put("one"), [
    "request",
    { command: "mkdir", path: "two" },
  ]);
  const signal = await begun;
  peer[Symbol.dispose]();
  await aborted(signal);
  release();
  await served.events.until("close");
  assertEquals(await namesIn(served.join()), ["slow.bin"]);
  assertEquals(served.events.of("command").map(({ command }) => command), ["sum"]);
});

Deno.test("serve() does not store a body that a cancel follows at once", async () => {
  await using served = await Served.with({});
  using peer = await RawPeer.greeted(served.address);
  for (let request = 1; request <= 20; request++) {
    await peer.sendAll(...put("one"), ["cancel", { request }]);
    assertEquals((await peer.answer()).outcome, "Cancelled");
    assertEquals(await namesIn(served.join()), []);
  }
});

Deno.test("serve() does not store a body behind which a cancel came together with other requests", async () => {
  /** Little enough that the server gets all of it in one read. */
  const OTHERS = 100;
  await using served = await Served.with({});
  using peer = await RawPeer.greeted(served.address);
  const stats: Frames = Array.from({ length: OTHERS }, () => ["request", { command: "stat" }]);
  for (let request = 1; request <= 10 * (OTHERS + 1); request += OTHERS + 1) {
    await peer.sendAll(...put("one"), ...stats, ["cancel", { request }]);
    assertEquals((await peer.answer()).outcome, "Cancelled");
    for (const _ of stats) assertEquals((await peer.answer()).outcome, "ok");
    assertEquals(await namesIn(served.join()), []);
  }
});

Deno.test("serve() tells the truth when a cancel comes too late", async () => {
  const committed = Promise.withResolvers<void>();
  const seen = Promise.withResolvers<void>();
  await using served = await Served.with({}, {}, (storage) => ({
    upload: async (...args) => {
      const upload = await storage.upload(...args);
      const commit = upload.commit.bind(upload);
      upload.commit = async () => {
        const receipt = await commit();
        committed.resolve();
        await seen.promise;
        return receipt;
      };
      return upload;
    },
  }));
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(...put("one"), ["request", { command: "stat" }]);
  await within(committed.promise, "the commit");
  await peer.sendAll(["cancel", { request: 2 }], ["cancel", { request: 1 }], ["request", { command: "stat" }]);
  // Another connection has been served, so what this one has sent has come.
  using other = await RawPeer.greeted(served.address);
  assertEquals((await other.ask({ command: "stat" })).outcome, "ok");
  seen.resolve();
  assertEquals((await peer.answer()).outcome, "ok");
  assertEquals((await peer.answer()).outcome, "Cancelled");
  assertEquals((await peer.answer()).outcome, "ok");
  await assertFile(served.join("one"), bytes(5));
});

for (const sizes of [[3 * AHEAD_BYTES], [AHEAD_BYTES / 2, AHEAD_BYTES], Array.from({ length: 3000 }, () => 700)]) {
  Deno.test(`serve() stores bodies of ${sizes[0]} bytes and so on that came before their turn as they were`, async () => {
    const { served, begun, release } = await withSlowSum();
    await using _ = served;
    using peer = await RawPeer.greeted(served.address);
    await peer.send("request", { command: "sum", path: "slow.bin" });
    await begun;
    const files = sizes.length > 100 ? [sizes] : sizes.map((size) => [size]);
    const sending = (async () => {
      for (const [i, pieces] of files.entries()) {
        await peer.send("request", { command: "put", path: `file-${i}` });
        for (const [j, size] of pieces.entries()) {
          for (let at = 0; at < size; at += AHEAD_BYTES) {
            await peer.send("data", bytes(size, j).subarray(at, Math.min(size, at + AHEAD_BYTES)));
          }
        }
        await peer.send("end", { size: pieces.reduce((sum, size) => sum + size) });
      }
    })();
    // Some of it has come when another connection has been served.
    using other = await RawPeer.greeted(served.address);
    await other.ask({ command: "stat" });
    release();
    await within(sending, "the end of sending");
    for (let i = 0; i <= files.length; i++) assertEquals((await peer.answer()).outcome, "ok");
    for (const [i, pieces] of files.entries()) {
      const whole = pieces.map((size, j) => bytes(size, j));
      const content = new Uint8Array(await new Blob(whole).arrayBuffer());
      await assertFile(served.join(`file-${i}`), content);
    }
  });
}
