import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { listRemote } from "../../lib/client/tree.ts";
import { connect, FerryError, Link } from "../../lib/mod.ts";
import { MovedClock } from "../helpers/clock.ts";
import { sameBytes } from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";
import { Collector, failsWith, FakeServer, Served, within } from "../helpers/raw.ts";
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

Deno.test("get() to a stream that waits for the same client fails when the file is too large to be kept", async () => {
  using clock = new MovedClock();
  await using served = await Served.with();
  await Deno.writeFile(served.join("huge"), new Uint8Array(0));
  await Deno.truncate(served.join("huge"), 200 * 1024 * 1024);
  await using client = await served.connect();
  const before = Deno.memoryUsage().rss;
  const asked = Promise.withResolvers<void>();
  let received = 0;
  const target = new WritableStream<Uint8Array>({
    async write() {
      asked.resolve();
      await client.stat();
    },
  });
  const onProgress = (moved: number) => received = moved;
  const get = failsWith(client.get("huge", target, { onProgress }), "Busy");
  await within(asked.promise);
  const full = async () => {
    while (received <= 64 * 1024 * 1024) await setImmediate();
    // If it were not held up, more would come now.
    for (let i = 0; i < 500; i++) await setImmediate();
  };
  await within(full(), "all that may be kept", 20_000);
  assert(received <= 68 * 1024 * 1024, `${received} bytes were kept`);
  assertLess(Deno.memoryUsage().rss - before, 200 * 1024 * 1024);
  clock.forward(61_000);
  // Makes it look at the clock.
  const stat = client.stat().then(({ kind }) => kind, ({ code }) => code);
  assertStringIncludes((await get).message, "use a connection for each");
  assertEquals(await within(stat), "directory");
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

/** An operation of a link that always fails because its connection was lost, and counts how often it was run. */
function failing() {
  const failed = Promise.withResolvers<void>();
  const operation = {
    attempts: 0,
    run: () => {
      operation.attempts++;
      failed.resolve();
      return Promise.reject(new FerryError("Disconnected", "lost"));
    },
    failed: failed.promise,
  };
  return operation;
}

Deno.test("Link.close() ends the pause before a new attempt, and the operation is not run again", async () => {
  await using served = await Served.with();
  await using link = new Link(served.address);
  const operation = failing();
  const running = failsWith(link.run(operation.run), "Cancelled");
  await within(operation.failed);
  await setImmediate();
  const began = performance.now();
  await link.close();
  const error = await running;
  // The first pause takes 100 ms at least.
  assertLess(performance.now() - began, 95);
  assertStringIncludes(error.message, "the connection was closed");
  assertEquals(operation.attempts, 1);
  assertEquals(served.events.of("open").length, 1);
  assertEquals((await link.run((client) => client.stat())).kind, "directory");
});

Deno.test("Link.close() waits for an operation that is under way, which is not run again when it fails", async (t) => {
  for (const outcome of ["ok", "lost"]) {
    await t.step(outcome, async () => {
      const asked = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
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
      await using link = new Link(server.address);
      const made = link.run((client) => client.mkdir("d")).then(() => "ok", ({ code }) => code);
      await within(asked.promise);
      const closing = link.close();
      go.resolve();
      await within(closing);
      const began = performance.now();
      assertEquals(await within(made), outcome === "ok" ? "ok" : "Cancelled");
      // Nor is there a pause.
      assertLess(performance.now() - began, 50);
      assertEquals(connections, 1);
    });
  }
});

Deno.test("listRemote() does not connect again when the link is closed", async () => {
  let connections = 0;
  await using server = FakeServer.welcoming(async (peer) => {
    connections++;
    await peer.receive();
    await peer.send("entries", [{ path: "a", kind: "file", size: 1, mtimeMs: 0 }]);
    await peer.receive();
  });
  await using link = new Link(server.address);
  const entries = listRemote(link, "");
  assertEquals((await within(entries.next())).value?.path, "a");
  const rest = failsWith(entries.next(), "Cancelled");
  await using _closed = { [Symbol.asyncDispose]: () => link.close() };
  await within(link[Symbol.asyncDispose]());
  await rest;
  assertEquals(connections, 1);
});
