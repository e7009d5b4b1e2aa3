import { setImmediate } from "node:timers/promises";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { connect, ConnectionPool, copyContent, RemoteStorage, Retry } from "../../lib/mod.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { parseRemotePath, ROOT } from "../../lib/core/remote_path.ts";
import { HeldIntervals } from "../helpers/intervals.ts";
import { bytes } from "../helpers/random.ts";
import { failsWith, FakeServer, type RawPeer, Served, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";

/** Intervals of 10 s after which a server that says nothing is given up. */
const ENOUGH = 7;

const STAT = { kind: "directory", size: 0, mtimeMs: 0, version: "v" };

/** Receives until the client is gone. */
async function listen(peer: RawPeer): Promise<void> {
  while (await peer.receive());
}

/** A server that hears everything and says nothing after the greeting. */
function silentServer(): { server: FakeServer; asked: Promise<void> } {
  const asked = Promise.withResolvers<void>();
  const server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    asked.resolve();
    await listen(peer);
  });
  return { server, asked: asked.promise };
}

/** Lets what has been sent arrive. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await setImmediate();
}

Deno.test("a client gives up a server that says nothing for 60 s while a request is unanswered", async () => {
  using intervals = new HeldIntervals();
  const { server, asked } = silentServer();
  await using _server = server;
  await using client = await connect(server.address);
  const stat = failsWith(client.stat("a"), "Timeout");
  await within(asked);
  await settle();
  intervals.pass(ENOUGH);
  assertStringIncludes((await stat).message, "the server has not said anything for 60 s");
  assertEquals((await within(client.ended)).code, "Timeout");
  assertEquals(intervals.count, 0);
});

Deno.test("a client gives up a server that does not say whether it takes a file", async () => {
  using intervals = new HeldIntervals();
  const { server, asked } = silentServer();
  await using _server = server;
  await using client = await connect(server.address);
  const put = failsWith(client.put(new Blob([bytes(10)]).stream(), "f"), "Timeout");
  await within(asked);
  await settle();
  intervals.pass(ENOUGH);
  await put;
});

Deno.test("a client waits for ever while nothing is unanswered", async () => {
  using intervals = new HeldIntervals();
  await using served = await Served.with({ "a": "hello" });
  await using client = await served.connect();
  for (let i = 0; i < 3; i++) {
    intervals.pass(5 * ENOUGH);
    assertEquals((await within(client.stat("a"))).size, 5);
  }
});

Deno.test("a client waits for a server that shows that it is alive, however long", async () => {
  using intervals = new HeldIntervals();
  const said = Promise.withResolvers<void>();
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    for (let i = 0; i < 4 * ENOUGH; i++) {
      await peer.send("alive");
      await settle();
      intervals.pass(1);
    }
    said.resolve();
    await peer.send("ok", STAT);
  });
  await using client = await connect(server.address);
  assertEquals((await within(client.stat())).kind, "directory");
  await said.promise;
});

Deno.test("silence in the middle of an answer is noticed, also of one that nobody wants any more", async (t) => {
  for (const wanted of [true, false]) {
    await t.step(wanted ? "wanted" : "given up", async () => {
      using intervals = new HeldIntervals();
      const cancelled = Promise.withResolvers<void>();
      await using server = FakeServer.welcoming(async (peer) => {
        await peer.receive();
        await peer.sendAll(["ready", { size: 10, mtimeMs: 0, version: "v" }], ["data", bytes(5)]);
        for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
          if (frame.kind === "cancel") cancelled.resolve();
        }
      });
      await using client = await connect(server.address);
      const stop = new AbortController();
      const begun = Promise.withResolvers<void>();
      const target = new WritableStream<Uint8Array>({ write: () => begun.resolve() });
      const get = client.get("a", target, { signal: stop.signal }).then(() => "ok", ({ code }) => code);
      await within(begun.promise);
      if (!wanted) {
        stop.abort();
        await within(cancelled.promise);
      }
      await settle();
      intervals.pass(ENOUGH);
      assertEquals(await within(get), wanted ? "Timeout" : "Cancelled");
      assertEquals((await within(client.ended)).code, "Timeout");
    });
  }
});

Deno.test("a client that waits for its own source is not silent to itself", async () => {
  using intervals = new HeldIntervals();
  await using served = await Served.with();
  await using client = await served.connect();
  const began = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const source = new ReadableStream<Uint8Array>({
    async pull(controller) {
      began.resolve();
      await go.promise;
      controller.enqueue(bytes(10));
      controller.close();
    },
  }, { highWaterMark: 0 });
  const put = client.put(source, "a");
  await within(began.promise);
  for (let i = 0; i < 3 * ENOUGH; i++) {
    await settle();
    intervals.pass(1);
  }
  go.resolve();
  assertEquals((await within(put)).size, 10);
});

Deno.test("a client that reads its own file slowly does not blame the server", async () => {
  using intervals = new HeldIntervals();
  await using served = await Served.with();
  await using local = await tempDir();
  await Deno.writeTextFile(local.join("f"), "hello");
  const began = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const storage = DirectoryStorage.open(local.path);
  const read = storage.read.bind(storage);
  storage.read = async (...args) => {
    began.resolve();
    await go.promise;
    return await read(...args);
  };
  await using client = await served.connect();
  const file = { path: parseRemotePath("f"), shown: "f" };
  const put = copyContent({ storage, ...file }, { storage: client.storage, ...file }, { verb: "put" });
  await within(began.promise);
  for (let i = 0; i < 2 * ENOUGH; i++) {
    await settle();
    intervals.pass(1);
  }
  go.resolve();
  assertEquals((await within(put)).receipt.size, 5);
});

Deno.test("a server that does not even say that a body was given up is noticed", async () => {
  using intervals = new HeldIntervals();
  const gotError = Promise.withResolvers<void>();
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    await peer.send("ok", { covered: 0, blockSize: 1024 * 1024, hashes: "", kept: "" });
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      if (frame.kind === "error") gotError.resolve();
    }
  });
  await using client = await connect(server.address);
  const stop = new AbortController();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const put = failsWith(client.put(readable, "f", { signal: stop.signal }), "Cancelled");
  await within(writable.getWriter().write(bytes(10)));
  stop.abort();
  await put;
  await within(gotError.promise);
  await settle();
  intervals.pass(ENOUGH);
  assertEquals((await within(client.ended)).code, "Timeout");
});

Deno.test("an upload whose source fails waits 2 s at most for a server that says nothing", async () => {
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    await peer.send("ok", { covered: 0, blockSize: 1024 * 1024, hashes: "", kept: "" });
    await listen(peer);
  });
  await using client = await connect(server.address);
  const source = ReadableStream.from(async function* () {
    yield bytes(10);
    throw new TypeError("that is all");
  }());
  await failsWith(client.put(source, "f"), "Internal");
});

Deno.test("a client that is held up by its own stream shows that it is alive, and does not blame the server", async () => {
  using intervals = new HeldIntervals();
  const go = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const heard: string[] = [];
  const beats = Promise.withResolvers<void>();
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    await peer.sendAll(["ready", { size: 10, mtimeMs: 0, version: "v" }], ["data", bytes(10)]);
    for (let i = 0; i < 3 * ENOUGH; i++) heard.push((await peer.receive())?.kind ?? "the end");
    beats.resolve();
    await peer.sendAll(["end", { size: 10 }], ["ok", {}]);
  });
  await using client = await connect(server.address);
  const target = new WritableStream<Uint8Array>({
    write() {
      begun.resolve();
      return go.promise;
    },
  });
  const get = client.get("a", target);
  await within(begun.promise);
  await settle();
  intervals.pass(3 * ENOUGH);
  try {
    await within(beats.promise, "the signs of life");
  } finally {
    go.resolve();
  }
  assertEquals(new Set(heard), new Set(["alive"]));
  assertEquals((await within(get)).size, 10);
});

Deno.test("ConnectionPool connects again when a server says nothing any more", async () => {
  using intervals = new HeldIntervals();
  let connections = 0;
  const asked = Promise.withResolvers<void>();
  await using server = FakeServer.welcoming(async (peer) => {
    connections++;
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      if (connections === 1) asked.resolve();
      else await peer.send("ok", frame.value && (frame.value as { command: string }).command === "stat" ? STAT : {});
    }
  });
  const lost: string[] = [];
  await using pool = new ConnectionPool({ ...server.address, onLost: ({ message }) => lost.push(message) });
  const stat = new Retry().run(() => new RemoteStorage(pool).stat(ROOT));
  await within(asked.promise);
  await settle();
  intervals.pass(ENOUGH);
  assertEquals((await within(stat)).kind, "directory");
  assertEquals([connections, lost], [2, ["the server has not said anything for 60 s"]]);
});
