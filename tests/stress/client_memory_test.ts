import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertLess } from "@std/assert";
import { connect, type Entry } from "../../lib/mod.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { concat, frameBytes } from "../helpers/frames.ts";
import { failsWith, FakeServer, Served, within } from "../helpers/raw.ts";
import { CONTENT, MIB } from "../helpers/resuming.ts";
import { at } from "../helpers/storage.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import type { RemoteStorage } from "../../lib/client/remote_storage.ts";
import { listAgain } from "../../lib/transfer/listing.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { encode, file, flood, flooding, growth } from "../helpers/floods.ts";

/** Pieces of a listing without end, with names of 200 characters in order. */
function endlessListing(): () => Uint8Array {
  let i = 0;
  const name = () => String(i++).padStart(12, "0") + "n".repeat(188);
  return () =>
    concat(...Array.from({ length: 8 }, () => encode("entries", Array.from({ length: 150 }, () => file(name())))));
}

Deno.test("endless notices and signs of life cost no memory, and leave the client to its user", async (t) => {
  const floods: Record<string, [piece: Uint8Array, bytes: number]> = {
    "notices": [flood("notice", { text: "x".repeat(1000), reason: "message" }), 64 * MIB],
    // They are small, so that each byte takes longer.
    "signs of life": [concat(...Array<Uint8Array>(30_000).fill(frameBytes(FrameKind.alive))), 8 * MIB],
  };
  for (const [what, [piece, bytes]] of Object.entries(floods)) {
    await t.step(what, async () => {
      const { server, sent } = flooding(() => piece);
      await using _server = server;
      const grown = growth();
      await using client = await connect(server.address);
      const stop = new AbortController();
      const stat = client.stat("a", { signal: stop.signal }).then(() => "ok", ({ code }) => code);
      let slowest = 0;
      const start = performance.now();
      while (sent() < bytes) {
        assertLess(performance.now() - start, 30_000);
        const began = performance.now();
        await new Promise((resolve) => setTimeout(resolve));
        slowest = Math.max(slowest, performance.now() - began);
      }
      assertLess(grown(), 100 * MIB);
      // The user's own signals come through.
      assertLess(slowest, 500);
      stop.abort();
      assertEquals(await within(stat), "Cancelled");
    });
  }
});

Deno.test("dir() of a listing without end holds the server up, and can be cancelled", async () => {
  const { server, sent } = flooding(endlessListing());
  await using _server = server;
  const grown = growth();
  await using client = await connect(server.address);
  const stop = new AbortController();
  const entries = client.dir(undefined, { signal: stop.signal });
  await within(entries.next());
  for (let last = -1; last !== sent();) {
    last = sent();
    for (let i = 0; i < 200; i++) await setImmediate();
  }
  // What the sockets' buffers hold, and little more.
  assertLess(sent(), 24 * MIB);
  assertLess(grown(), 100 * MIB);
  stop.abort();
  await failsWith(Array.fromAsync(entries), "Cancelled");
});

Deno.test("dir() of a listing without end holds the server up, too, when another command is made, which goes elsewhere", async () => {
  let connections = 0;
  let sent = 0;
  const next = endlessListing();
  await using server = FakeServer.welcoming(async (peer) => {
    const isFirst = ++connections === 1;
    await peer.receive();
    if (!isFirst) await peer.sendAll(["ok", { kind: "file", size: 1, mtimeMs: 0, version: "v" }]);
    for (; isFirst; sent++) await peer.sendBytes(next());
    await peer.receive();
  });
  const grown = growth();
  await using client = await connect(server.address);
  const entries = client.dir();
  await within(entries.next());
  assertEquals((await within(client.stat("a"))).size, 1);
  for (let last = -1; last !== sent;) {
    last = sent;
    for (let i = 0; i < 200; i++) await setImmediate();
  }
  assertLess(grown(), 100 * MIB);
  assertEquals(connections, 2);
  await entries.return?.();
});

Deno.test("get() to a stream that waits for the same client holds the server up, however large the file is", async () => {
  await using served = await Served.with();
  await Deno.writeFile(served.join("huge"), new Uint8Array(0));
  await Deno.truncate(served.join("huge"), 200 * 1024 * 1024);
  await using client = await served.connect();
  const before = Deno.memoryUsage().rss;
  let received = 0;
  const target = new WritableStream<Uint8Array>({
    async write() {
      assertEquals((await client.stat()).kind, "directory");
    },
  });
  const onProgress = (moved: number) => received = moved;
  assertEquals((await within(client.get("huge", target, { onProgress }), "the file", 20_000)).size, received);
  assertLess(Deno.memoryUsage().rss - before, 100 * 1024 * 1024);
  assertEquals(served.events.of("open").length, 2);
});

const SIZE = CONTENT.length;

/** A name that fills a frame. */
const LONG_NAME = { upload: "n".repeat(60_000) };

Deno.test("an upload in parts fails when the server names the upload twice, and holds nothing of what comes after", async () => {
  const named = Promise.withResolvers<void>();
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    await peer.send("ready", { upload: "name" });
    await named.promise;
    const many = concat(...Array.from({ length: 100 }, () => frameBytes(FrameKind.ready, JSON.stringify(LONG_NAME))));
    for (let i = 0; i < 50; i++) await peer.sendBytes(many);
    await peer.receive();
  });
  await using client = await connect(server.address);
  const before = Deno.memoryUsage().rss;
  const upload = await within(client.storage.upload(at("f"), { size: SIZE, inParts: true }));
  named.resolve();
  await failsWith(upload.commit(), "BadRequest");
  // 50 times 100 names of 60,000 bytes are 300 MB.
  assert(Deno.memoryUsage().rss - before < 150 * MIB, `${(Deno.memoryUsage().rss - before) / MIB} MiB more`);
});

function listAll(storage: RemoteStorage): AsyncGenerator<Entry> {
  return listAgain({ storage, path: ROOT, shown: "" }, { retry: new Retry(), recursive: true });
}

const MANY = 300_000;

/** A server that lists very many names and has none of them; it counts how many it was asked for. */
async function listingMany(): Promise<{ served: Served; made: () => number }> {
  let made = 0;
  const name = "n".repeat(240);
  const served = await Served.with({}, {}, () => ({
    async *list() {
      while (made < MANY) {
        yield { path: `${name}${String(made++).padStart(6, "0")}`, kind: "file", size: 1, mtimeMs: 0 } as const;
      }
    },
  }));
  return { served, made: () => made };
}

Deno.test("listAgain() holds the server up when its consumer is slow", async () => {
  const { served, made } = await listingMany();
  await using _served = served;
  await using client = await connect(served.address);
  let taken = 0;
  let most = 0;
  // Many turns for each batch of entries: a server that was not held up would have made all of them long before.
  for await (const _entry of listAll(client.storage)) {
    if (++taken % 50 === 0) { for (let i = 0; i < 3; i++) await setImmediate(); }
    most = Math.max(most, made() - taken);
  }
  assertEquals([taken, made()], [MANY, MANY]);
  // What the sockets' buffers hold, and 8 MiB of entries in the client.
  assertLess(most, MANY / 4);
});
