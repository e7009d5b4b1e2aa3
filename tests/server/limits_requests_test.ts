import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import type { ServeOptions, Storage } from "../../lib/mod.ts";
import { assertFile, RawPeer, Served, within } from "../helpers/raw.ts";
import { assertSameTree, makeTree, runCommand, type Tree } from "../helpers/trees.ts";
import { bytes } from "../helpers/random.ts";
import { tempDir } from "../helpers/temp.ts";

const MIB = 1024 * 1024;

/** A server on which `sum` waits until it is let go, or cancelled. */
async function withGate(options: Partial<ServeOptions> = {}) {
  const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const operations = (storage: Storage): Partial<Storage> => ({
    async digest(path, { signal } = {}) {
      reached.resolve();
      const cancelled = new Promise<void>((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason))
      );
      await Promise.race([opened.promise, cancelled]);
      return await storage.digest(path);
    },
  });
  const served = await Served.with({ "a.txt": "abc" }, options, operations);
  return { served, reached: reached.promise, open: () => opened.resolve() };
}

const SUM = ["request", { command: "sum", path: "a.txt" }] as const;
const STAT = ["request", { command: "stat", path: "a.txt" }] as const;

/** `count` times the same frame. */
function times<T>(count: number, frame: readonly ["request", T]): ["request", T][] {
  return Array.from({ length: count }, () => [...frame]);
}

for (const requests of [undefined, 1, 3]) {
  const window = requests ?? 1024;
  const options = requests === undefined ? {} : { limits: { requests } };

  Deno.test(`serve() answers ${window} requests that come at once, and the next as many`, async () => {
    const { served, open } = await withGate(options);
    await using _served = served;
    open();
    using peer = await RawPeer.greeted(served.address);
    for (let round = 0; round < 2; round++) {
      await peer.sendAll(...times(window, STAT));
      for (let i = 0; i < window; i++) assertEquals((await peer.answer()).outcome, "ok", `${i}`);
    }
  });

  Deno.test(`serve() ends a session with more than ${window} unanswered requests, and says which limit it is`, async () => {
    const { served, reached } = await withGate(options);
    await using _served = served;
    await using other = await served.connect();
    using peer = await RawPeer.greeted(served.address);
    await peer.sendAll([...SUM]);
    await reached;
    await peer.sendAll(...times(window - 1, STAT));
    await other.stat("a.txt");
    assertEquals(served.events.of("close"), []);
    await peer.sendAll([...STAT]);
    const { outcome, fields } = await peer.answer();
    const message = `more than ${window} requests are unanswered`;
    assertEquals([outcome, fields.message], ["disconnect BadRequest", message]);
    peer[Symbol.dispose]();
    const [close] = await served.events.until("close");
    assertEquals(close?.reason, message);
    assertEquals((await other.stat("a.txt")).size, 3);
  });

  Deno.test(`serve() sees cancels behind ${window} unanswered requests`, async () => {
    const { served, reached } = await withGate(options);
    await using _served = served;
    using peer = await RawPeer.greeted(served.address);
    await peer.sendAll([...SUM]);
    await reached;
    await peer.sendAll(...times(window - 1, STAT));
    // From the last to the first, so that none of them has been answered before.
    for (let request = window; request > 0; request--) await peer.send("cancel", { request });
    for (let i = 0; i < window; i++) assertEquals((await peer.answer()).outcome, "Cancelled", `${i}`);
    assertEquals((await peer.ask(STAT[1])).outcome, "ok");
  });
}

Deno.test("serve() tells the client the limit of requests, and a client keeps to it", async () => {
  await using served = await Served.with({ "a.txt": "abc" }, { limits: { requests: 2 } });
  await using client = await served.connect();
  assertEquals(client.welcome.window, 2);
  const answers = await within(Promise.all(Array.from({ length: 3000 }, () => client.stat("a.txt"))));
  assertEquals(answers.length, 3000);
  assertEquals(served.events.of("close"), []);
});

Deno.test("a client with thousands of requests of all kinds keeps within the usual window", async () => {
  await using served = await Served.with({ "a.txt": "abc" });
  await using client = await served.connect();
  const work = Array.from({ length: 3000 }, async (_, i) => {
    if (i % 10 === 0) return (await client.put(new Blob([`${i}`]).stream(), `f${i}`)).path;
    if (i % 10 === 1) return await client.stat("missing").catch(({ code }) => code);
    return (await client.stat("a.txt")).kind;
  });
  const results = await within(Promise.all(work), "all answers", 20_000);
  assertEquals(results.slice(2990, 2993), ["f2990", "NotFound", "file"]);
  assertEquals(served.events.of("close"), []);
});

const MANY: Tree = Object.fromEntries(
  Array.from({ length: 530 }, (_, i) => [`d${i % 7}/e${i % 3}/f${i}`, i % 100 === 0 ? bytes(2 * MIB, i) : `${i}`]),
);

for (const requests of [1, 2]) {
  for (const connections of [[], ["--connections", "4"]]) {
    const words = ["-r", ...connections];
    Deno.test(`get and put ${words.join(" ")} work with a window of ${requests}`, async () => {
      await using dir = await tempDir();
      makeTree(dir.join("tree"), MANY);
      await using served = await Served.with({}, { limits: { requests } });
      const put = await runCommand(served.address, dir.path, ["put", ...words, "tree/", "tree"]);
      assertEquals(put.code, 0, put.news);
      assertSameTree(served.join("tree"), dir.join("tree"));
      const get = await runCommand(served.address, dir.path, ["get", ...words, "tree/", "back"]);
      assertEquals(get.code, 0, get.news);
      assertSameTree(dir.join("back"), dir.join("tree"));
      const reasons = served.events.of("close").map(({ reason }) => reason);
      assert(reasons.every((reason) => reason === undefined), reasons.join());
    });
  }
}

Deno.test("get and put of one large file over four connections work with a window of 1", async () => {
  await using dir = await tempDir();
  const content = bytes(65 * MIB);
  await Deno.writeFile(dir.join("big.dat"), content);
  await using served = await Served.with({}, { limits: { requests: 1 } });
  const put = await runCommand(served.address, dir.path, ["put", "--connections", "4", "big.dat"]);
  assertEquals(put.code, 0, put.news);
  await assertFile(served.join("big.dat"), content);
  const get = await runCommand(served.address, dir.path, ["get", "--connections", "4", "big.dat", "back.dat"]);
  assertEquals(get.code, 0, get.news);
  await assertFile(dir.join("back.dat"), content);
});

Deno.test("a listing that nobody reads on does not hold up other commands with a window of 1 for ever", async () => {
  await using served = await Served.with({ "a.txt": "abc", "b.txt": "abc" }, { limits: { requests: 1 } });
  await using client = await served.connect();
  const listing = client.dir();
  assertEquals((await listing.next()).value?.path, "a.txt");
  assertEquals((await within(client.stat("a.txt"))).size, 3);
  await listing.return?.();
});

Deno.test("serve() takes no more requests into memory than a MiB, and all in the end", async () => {
  const { served, reached, open } = await withGate();
  await using _served = served;
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll([...SUM]);
  await reached;
  // Frames that are as large as they may be; what they say does not matter, so that they are small when decoded.
  const padding = "x".repeat(60_000);
  const large = new TextEncoder().encode(JSON.stringify({ ...STAT[1], padding }));
  const count = 500;
  let sent = 0;
  const sending = (async () => {
    for (; sent < count; sent++) await peer.send("request", large);
  })();
  // The system's own buffers take some MiB; the rest stays with the client.
  let before = -1;
  await using other = await served.connect();
  while (before < sent) {
    before = sent;
    for (let i = 0; i < 20; i++) await other.stat("a.txt");
  }
  assertLess(sent, count);
  assertGreater(sent, 16);
  open();
  for (let i = 0; i <= count; i++) assertEquals((await peer.answer()).outcome, "ok", `${i}`);
  await sending;
});

Deno.test("serve() ends a session that waits with much in its queue when the client goes", async () => {
  const { served, reached, open } = await withGate();
  await using _served = served;
  const peer = await RawPeer.greeted(served.address);
  await peer.sendAll([...SUM]);
  await reached;
  const large = new TextEncoder().encode(JSON.stringify({ ...STAT[1], padding: "x".repeat(60_000) }));
  for (let i = 0; i < 17; i++) await peer.send("request", large);
  peer[Symbol.dispose]();
  open();
  await served.events.until("close");
  assertEquals(served.server.sessions, []);
});

Deno.test("serve() ends at once while a queue is full", async () => {
  const { served, reached } = await withGate();
  await using _served = served;
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll([...SUM]);
  await reached;
  const large = new TextEncoder().encode(JSON.stringify({ ...STAT[1], padding: "x".repeat(60_000) }));
  for (let i = 0; i < 20; i++) await peer.send("request", large);
  await within(served.server[Symbol.asyncDispose](), "the end of the server");
  const [close] = await served.events.until("close");
  assertStringIncludes(close?.reason ?? "", "the server");
});
