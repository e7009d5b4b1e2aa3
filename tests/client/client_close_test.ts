import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertLess } from "@std/assert";
import { ROOT } from "../../lib/core/remote_path.ts";
import { connect, ConnectionPool, FerryError, listAgain, RemoteStorage, Retry } from "../../lib/mod.ts";
import { sameBytes } from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";
import { Collector, failsWith, FakeServer, Served, within } from "../helpers/raw.ts";
import { at } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

/** More than the 2 s that a server has for its own end. */
const LONG_MS = 2_300;

Deno.test("close() waits for the answer to an earlier command, however long it takes", async () => {
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using served = await Served.with({ "a": "hello" }, {}, (storage) => ({
    async digest(path, { signal } = {}) {
      asked.resolve();
      await go.promise;
      return await storage.digest(path, { signal });
    },
  }));
  const client = await served.connect();
  const sum = client.sum("a").then(({ size }) => size, ({ code }) => code);
  await within(asked.promise);
  const closing = client.close();
  setTimeout(go.resolve, LONG_MS);
  assertEquals(await within(sum), 5);
  await within(closing);
  assertEquals((await served.events.until("close"))[0]?.reason, undefined);
});

Deno.test("close() waits for all requests of an earlier command, and takes no later one", async () => {
  await using served = await Served.with({ "f": bytes(3_000_000), "d/x": "x" });
  await using local = await tempDir();
  const client = await served.connect();
  // What an earlier attempt has left makes it look before it gets.
  await failsWith(
    client.get("f", local.join("f"), {
      onProgress: (moved) => {
        if (moved > 2_000_000) throw new FerryError("Internal", "stopped by the test");
      },
    }),
    "Internal",
  );
  const get = client.get("f", local.join("f"));
  const list = Array.fromAsync(client.dir("d"));
  const closing = client.close();
  const late = [client.stat(), client.get("f", local.join("g")), Array.fromAsync(client.dir()), client.mkdir("m")];
  const codes = late.map((each) => failsWith(each, "Disconnected"));
  assertEquals((await within(get)).size, 3_000_000);
  assertEquals((await within(list)).length, 1);
  await Promise.all([...codes, within(closing)]);
  assertEquals((await served.events.until("close"))[0]?.reason, undefined);
});

Deno.test("close() does not wait for whoever takes a listing", async () => {
  async function* list() {
    for (let i = 0; i < 50_000; i++) yield { path: `file-${i}`, kind: "file", size: 5, mtimeMs: 0 } as const;
  }
  await using served = await Served.with({}, {}, () => ({ list }));
  const client = await served.connect();
  const entries = client.dir();
  await entries.next();
  await within(client.close());
  assertEquals((await Array.fromAsync(entries)).length, 49_999);
});

Deno.test("close() waits for a stream that is slow", async () => {
  const content = bytes(3_000_000);
  await using served = await Served.with({ "f": content });
  const client = await served.connect();
  const go = Promise.withResolvers<void>();
  const got: Uint8Array[] = [];
  const target = new WritableStream<Uint8Array>({
    async write(part) {
      await go.promise;
      got.push(part);
    },
  });
  const get = client.get("f", target);
  const closing = client.close();
  setTimeout(go.resolve, LONG_MS);
  await within(Promise.all([get, closing]));
  assert(sameBytes(new Uint8Array(await new Blob(got as Uint8Array<ArrayBuffer>[]).arrayBuffer()), content));
});

Deno.test("[Symbol.asyncDispose]() gives up what is under way for more than 2 s", async () => {
  await using server = FakeServer.welcoming((peer) => peer.ended());
  const client = await connect(server.address);
  const stat = failsWith(client.stat(), "Disconnected");
  const began = performance.now();
  await within(client[Symbol.asyncDispose]());
  assertLess(performance.now() - began, 4_000);
  await stat;
});

Deno.test("get() to a stream whose write() waits for the same client works", async (t) => {
  const content = bytes(5_000_000);
  await using served = await Served.with({ "f": content, "other": "hello" });
  await t.step("in write()", async () => {
    await using client = await served.connect();
    const collector = new Collector();
    const writer = collector.getWriter();
    const target = new WritableStream<Uint8Array>({
      async write(part) {
        assertEquals((await client.stat("other")).size, 5);
        await client.get("other", new Collector());
        await writer.write(part);
      },
    });
    await within(client.get("f", target), "the file");
    assert(sameBytes(collector.bytes, content));
  });
  await t.step("by whoever reads the other end", async () => {
    await using client = await served.connect();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const get = client.get("f", writable);
    let length = 0;
    const reading = async () => {
      for await (const part of readable) {
        length += part.length;
        await client.stat();
      }
    };
    await within(reading(), "all of it");
    assertEquals([(await get).size, length], [content.length, content.length]);
  });
});

Deno.test("get() to a slow stream goes on while others wait behind it", async () => {
  const content = bytes(3_000_000);
  await using served = await Served.with({ "f": content });
  await using client = await served.connect();
  const slow = () =>
    new WritableStream<Uint8Array>({
      async write() {
        for (let i = 0; i < 20; i++) await setImmediate();
      },
    });
  const all = await within(Promise.all(Array.from({ length: 10 }, () => client.get("f", slow()))));
  assertEquals(all.map(({ size }) => size), Array(10).fill(content.length));
});

Deno.test("ConnectionPool.close() waits for an operation that is under way, which is not run again when it fails", async (t) => {
  for (const outcome of ["ok", "lost"]) {
    await t.step(outcome, async () => {
      const asked = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const closing = new AbortController();
      let connections = 0;
      await using server = FakeServer.welcoming(async (peer) => {
        connections++;
        await peer.receive();
        asked.resolve();
        await go.promise;
        if (outcome === "lost") return;
        await peer.send("ok", {});
        await peer.receive();
        await peer.send("ok", {});
      });
      await using pool = new ConnectionPool(server.address);
      const mkdir = () => new RemoteStorage(pool).mkdir(at("d"));
      const made = new Retry({ closing: closing.signal }).run(mkdir).then(() => "ok", ({ code }) => code);
      await within(asked.promise);
      closing.abort();
      const closed = pool.close();
      go.resolve();
      await within(closed);
      const began = performance.now();
      assertEquals(await within(made), outcome === "ok" ? "ok" : "Cancelled");
      // Nor is there a pause.
      assertLess(performance.now() - began, 50);
      assertEquals(connections, 1);
    });
  }
});

Deno.test("listAgain() does not connect again when it is closed", async () => {
  let connections = 0;
  const closing = new AbortController();
  await using server = FakeServer.welcoming(async (peer) => {
    connections++;
    await peer.receive();
    await peer.send("entries", [{ path: "a", kind: "file", size: 1, mtimeMs: 0 }]);
    await peer.receive();
  });
  await using pool = new ConnectionPool(server.address);
  const place = { storage: new RemoteStorage(pool), path: ROOT, shown: "" };
  const entries = listAgain(place, { retry: new Retry({ closing: closing.signal }) });
  assertEquals((await within(entries.next())).value?.path, "a");
  const rest = failsWith(entries.next(), "Cancelled");
  closing.abort();
  await within(pool[Symbol.asyncDispose]());
  await rest;
  assertEquals(connections, 1);
});
