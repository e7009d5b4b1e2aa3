import { setImmediate } from "node:timers/promises";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { connect, ConnectionPool, RemoteStorage, Retry } from "../../lib/mod.ts";
import { bytes } from "../helpers/random.ts";
import { Collector, failsWith, FakeServer, type RawPeer, Served, within } from "../helpers/raw.ts";
import { at } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

/** What a request came to, as a word. */
function outcomeOf(promise: Promise<unknown>): Promise<string> {
  return within(promise.then(() => "ok", ({ code }) => code), "the outcome");
}

/** The next frame of a kind; what comes before it is passed over. */
async function until(peer: RawPeer, kind: string): Promise<void> {
  for (let frame = await peer.receive(); frame?.kind !== kind; frame = await peer.receive()) {
    if (!frame) throw new Error(`the client left before ${kind}`);
  }
}

const RECEIPT = { path: "f", size: 5, mtimeMs: 0, version: "v", durable: false };

/** A server that answers the first request, once it is cancelled, as the test says. */
function answeringCancelled(answer: (peer: RawPeer) => Promise<unknown>) {
  const asked = Promise.withResolvers<void>();
  const server = FakeServer.welcoming(async (peer) => {
    await until(peer, "request");
    asked.resolve();
    await until(peer, "cancel");
    await answer(peer);
    while (await peer.receive());
  });
  return { server, asked: asked.promise };
}

Deno.test("what is aborted after it was sent in full ends as the server says", async (t) => {
  await using local = await tempDir();
  await Deno.writeTextFile(local.join("f"), "hello");
  const answers: Record<string, (peer: RawPeer) => Promise<unknown>> = {
    "ok": (peer) => peer.send("ok", RECEIPT),
    "Cancelled": (peer) => peer.send("error", { code: "Cancelled", message: "cancelled by the client" }),
    "NoSpace": (peer) => peer.send("error", { code: "NoSpace", message: "no space left on the disk" }),
  };
  for (const [outcome, answer] of Object.entries(answers)) {
    for (const command of ["put", "mkdir", "rename", "remove"] as const) {
      await t.step(`${command}: ${outcome}`, async () => {
        const sent = Promise.withResolvers<void>();
        await using server = FakeServer.welcoming(async (peer) => {
          await until(peer, command === "put" ? "end" : "request");
          sent.resolve();
          await until(peer, "cancel");
          await answer(peer);
          await until(peer, "request");
          await peer.send("ok", {});
        });
        await using client = await connect(server.address);
        const { signal, abort } = stopper();
        const running = {
          put: () => client.put(local.join("f"), "f", { signal }),
          mkdir: () => client.mkdir("f", { signal }),
          rename: () => client.rename("f", "g", { signal }),
          remove: () => client.remove("f", { signal }),
        }[command]();
        await within(sent.promise, "the request");
        abort();
        assertEquals(await outcomeOf(running), outcome);
        await client.mkdir("still usable");
      });
    }
  }
});

function stopper(): { signal: AbortSignal; abort: () => void } {
  const stop = new AbortController();
  return { signal: stop.signal, abort: () => stop.abort() };
}

Deno.test("a command that only reads is given up at once", async () => {
  const { server, asked } = answeringCancelled(() => Promise.resolve());
  await using _server = server;
  await using client = await connect(server.address);
  const { signal, abort } = stopper();
  const commands = [
    client.sum("a", { signal }),
    client.stat("a", { signal }),
    client.get("a", new Collector(), { signal }),
  ];
  const outcomes = Promise.all(commands.map(outcomeOf));
  await within(asked);
  const began = performance.now();
  abort();
  assertEquals(await outcomes, ["Cancelled", "Cancelled", "Cancelled"]);
  assertEquals(performance.now() - began < 1_000, true);
});

Deno.test("a removal that was cancelled says that a part of what was in it may be gone, where that may be", async () => {
  const messages: string[] = [];
  for (const options of [{ recursive: true }, {}]) {
    const { server, asked } = answeringCancelled((peer) =>
      peer.send("error", { code: "Cancelled", message: 'Cannot remove "f": cancelled by the client', path: "f" })
    );
    await using _server = server;
    await using client = await connect(server.address);
    const { signal, abort } = stopper();
    const removing = failsWith(client.remove("f", { signal, ...options }), "Cancelled");
    await within(asked);
    abort();
    messages.push((await removing).message);
    const early = await failsWith(client.remove("f", { signal, ...options }), "Cancelled");
    assertEquals(early.message, 'Cannot remove "f": cancelled');
  }
  assertEquals(messages, [
    'Cannot remove "f": cancelled; a part of what was in it may be gone already',
    'Cannot remove "f": cancelled by the client',
  ]);
  await using served = await Served.with({ "d/x": "x" }, { readOnly: true });
  await using client = await served.connect();
  const refused = await failsWith(client.remove("d", { recursive: true }), "Refused");
  assertEquals(refused.message, 'Cannot remove "d": you may only read here');
});

Deno.test("a change of which the server says nothing ends with its connection, and says that it may be done", async (t) => {
  for (const kind of ["silent", "gone"]) {
    await t.step(kind, async () => {
      const { server, asked } = answeringCancelled((peer) =>
        kind === "gone" ? peer.conn.closeWrite() : Promise.resolve()
      );
      await using _server = server;
      await using client = await connect(server.address);
      const { signal, abort } = stopper();
      const removing = failsWith(client.remove("f", { signal, recursive: true }), "Cancelled");
      await within(asked);
      abort();
      assertStringIncludes((await removing).message, "may have been done");
      assertEquals((await within(client.ended)).code, "Disconnected");
    });
  }
});

Deno.test("a change of which the server says nothing leaves the connection to those who need it", async () => {
  const go = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using server = FakeServer.welcoming(async (peer) => {
    await until(peer, "request");
    await until(peer, "request");
    asked.resolve();
    await go.promise;
    await peer.sendAll(["ok", { sha256: "x", size: 1, version: "v" }], ["ok", {}]);
  });
  await using client = await connect(server.address);
  const { signal, abort } = stopper();
  const sum = client.sum("a");
  const removing = failsWith(client.remove("f", { signal }), "Cancelled");
  await within(asked.promise);
  abort();
  assertStringIncludes((await removing).message, "may have been done");
  assertEquals(client.hasEnded, false);
  go.resolve();
  assertEquals((await within(sum)).size, 1);
});

Deno.test("a command that is cancelled is given up at the server although others are wanted, and they go on", async () => {
  const begun = Promise.withResolvers<void>();
  await using served = await Served.with({ "a": "hello" }, {}, (storage) => ({
    digest: async (path, { signal } = {}) => {
      if (path === "a") return await storage.digest(path);
      begun.resolve();
      const aborted = Promise.withResolvers<void>();
      signal?.addEventListener("abort", () => aborted.resolve());
      await aborted.promise;
      throw signal?.reason;
    },
  }));
  await using client = await served.connect();
  const { signal, abort } = stopper();
  const stuck = outcomeOf(client.sum("stuck", { signal }));
  const others = [client.sum("a"), client.sum("a")];
  await within(begun.promise);
  abort();
  assertEquals(await stuck, "Cancelled");
  for (const each of others) assertEquals((await within(each)).size, 5);
  assertEquals(served.events.of("command").map(({ outcome }) => outcome), ["Cancelled", "ok", "ok"]);
});

Deno.test("a put whose body is not complete is given up at once and never stored", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  const { signal, abort } = stopper();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const putting = client.put(readable, "f", { signal });
  const writer = writable.getWriter();
  await within(writer.write(bytes(1000)));
  abort();
  await failsWith(putting, "Cancelled");
  await client.stat();
  assertEquals([...Deno.readDirSync(served.join())].filter(({ name }) => name === "f"), []);
});

Deno.test("a put that was cancelled behind a slow sum is never called cancelled and stored", async (t) => {
  await using local = await tempDir();
  await Deno.writeFile(local.join("f"), bytes(100_000));
  for (const withSum of ["cancelled, too", "wanted"]) {
    await t.step(`the sum is ${withSum}`, async () => {
      const go = Promise.withResolvers<void>();
      const began = Promise.withResolvers<void>();
      await using served = await Served.with({ "slow": "slow" }, {}, (storage) => ({
        async digest(path, { signal } = {}) {
          began.resolve();
          // It does not heed the signal, as a disk that is slow does not.
          await go.promise;
          return await storage.digest(path, { signal });
        },
      }));
      await using client = await served.connect();
      const { signal, abort } = stopper();
      const sum = outcomeOf(client.sum("slow", withSum === "wanted" ? {} : { signal }));
      const read = Promise.withResolvers<void>();
      const onProgress = () => read.resolve();
      const putting = client.put(local.join("f"), "f", { signal, onProgress }).then(
        () => "ok",
        ({ message }) => message,
      );
      await within(Promise.all([began.promise, read.promise]));
      // It was read in one piece; now all of it is sent.
      for (let i = 0; i < 20; i++) await setImmediate();
      abort();
      go.resolve();
      const outcome = await within(putting);
      assertEquals(await sum, withSum === "wanted" ? "ok" : "Cancelled");
      // The server answers in order: when it has answered this, nothing of the put is left.
      await client.stat();
      const isThere = [...Deno.readDirSync(served.join())].some(({ name }) => name === "f");
      assertEquals([outcome === "ok" || outcome.includes("may have been done"), isThere], [isThere, isThere], outcome);
    });
  }
});

Deno.test("Retry.run() gives what was done although it was cancelled", async () => {
  const { server, asked } = answeringCancelled((peer) => peer.send("ok", {}));
  await using _server = server;
  await using pool = new ConnectionPool(server.address);
  const { signal, abort } = stopper();
  const mkdir = () => new RemoteStorage(pool).mkdir(at("d"), { signal });
  const made = new Retry().run(() => mkdir().then(() => "done"), signal);
  await within(asked);
  abort();
  assertEquals(await within(made), "done");
});

Deno.test("ConnectionPool tells of no loss when it ends a connection over which what was cancelled is not answered", async () => {
  const { server, asked } = answeringCancelled(() => Promise.resolve());
  await using _server = server;
  const lost: string[] = [];
  await using pool = new ConnectionPool({ ...server.address, onLost: ({ message }) => lost.push(message) });
  const { signal, abort } = stopper();
  const made = failsWith(new RemoteStorage(pool).mkdir(at("d"), { signal }), "Cancelled");
  await within(asked);
  const ended = pool.first?.ended;
  abort();
  assertStringIncludes((await made).message, "may have been done");
  assertEquals((await within(ended ?? Promise.reject(new Error("no connection")))).code, "Disconnected");
  assertEquals([pool.first, lost], [undefined, []]);
});
