import { setImmediate, setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { ROOT } from "../../lib/core/remote_path.ts";
import { ConnectionPool, FerryError, RemoteStorage, type Storage } from "../../lib/mod.ts";
import { sameBytes } from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, failsWith, FakeServer, type RawPeer, Served, within } from "../helpers/raw.ts";
import { at, contentOf, drain, namesOf, store } from "../helpers/storage.ts";

const MIB = 1024 * 1024;

/** More than all buffers between two ends of a connection hold. */
const LARGE = 24 * MIB;

/** Many entries with long names: more of them than a client keeps. */
async function* manyEntries() {
  for (let i = 0; i < 100_000; i++) {
    yield { path: `${String(i).padStart(9, "0")}-${"n".repeat(100)}`, kind: "file", size: 5, mtimeMs: 0 } as const;
  }
}

/**
 * A server with a few files, and a listing that is longer than a client keeps.
 *
 * @param lookMs How often the client looks; in two looks a body stands still, and in 60 it has for too long.
 */
async function place(connections = 1, lookMs = 10) {
  const operations = (storage: Storage) => ({
    list: (...[path, options]: Parameters<Storage["list"]>) =>
      path === ROOT ? manyEntries() : storage.list(path, options),
  });
  const served = await Served.with(
    { "large": bytes(LARGE), "small": "hello", "dated": "x", "d/x": "x" },
    {},
    operations,
  );
  const pool = new ConnectionPool({ ...served.address, connections }, undefined, lookMs);
  return {
    served,
    pool,
    storage: new RemoteStorage(pool),
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
    },
  };
}

/** Bodies that somebody has open and leaves lying; each gives what ends it. */
const BODIES: Record<string, (storage: Storage, i: number) => Promise<() => Promise<unknown>>> = {
  "a file that is not read": async (storage) => {
    const reader = await storage.read(at("large"));
    return async () => assert(sameBytes(await drain(reader), bytes(LARGE)));
  },
  "a small file that is not read": async (storage) => {
    const reader = await storage.read(at("small"));
    return async () => assertEquals((await drain(reader)).length, 5);
  },
  "a listing that is not taken": async (storage) => {
    const entries = storage.list(ROOT)[Symbol.asyncIterator]();
    await entries.next();
    return async () => {
      let count = 1;
      while (!(await entries.next()).done) count++;
      assertEquals(count, 100_000);
    };
  },
  "an upload of unknown size": async (storage, i) => {
    const upload = await storage.upload(at(`unknown${i}`));
    await upload.write(bytes(10));
    return () => upload.commit();
  },
  "a large upload": async (storage, i) => {
    const upload = await storage.upload(at(`large${i}`), { size: 2 * MIB });
    await upload.write(bytes(MIB));
    return async () => {
      await upload.write(bytes(MIB));
      await upload.commit();
    };
  },
  "a small upload": async (storage, i) => {
    const upload = await storage.upload(at(`small${i}`), { size: 5 });
    await upload.write(bytes(5));
    return () => upload.commit();
  },
  "an upload in parts": async (storage, i) => {
    const upload = await storage.upload(at(`parts${i}`), { size: 5, inParts: true });
    const part = await upload.openPart?.(0);
    return async () => {
      await part?.write(bytes(5));
      await part?.finish();
      assertEquals((await upload.commit()).size, 5);
    };
  },
};

/** Everything that a storage can do. */
const OPERATIONS: Record<string, (storage: Storage, i: number) => Promise<unknown>> = {
  stat: (storage) => storage.stat(at("small")),
  list: (storage) => namesOf(storage, "d"),
  read: (storage) => contentOf(storage, "small"),
  "read of a large file": (storage) => contentOf(storage, "large"),
  upload: (storage, i) => store(storage, `new${i}`, "hello", { size: 5 }),
  "large upload": (storage, i) => store(storage, `new-large${i}`, bytes(3 * MIB), { size: 3 * MIB }),
  "upload of unknown size": (storage, i) => store(storage, `new-unknown${i}`, "hello"),
  mkdir: (storage, i) => storage.mkdir(at(`made${i}`)),
  rename: async (storage, i) => {
    await storage.mkdir(at(`from${i}`));
    await storage.rename(at(`from${i}`), at(`to${i}`));
  },
  remove: async (storage, i) => {
    await storage.mkdir(at(`gone${i}`));
    await storage.remove(at(`gone${i}`));
  },
  blocks: (storage) => storage.blocks(at("small"), { length: 5 }),
  digest: (storage) => storage.digest(at("small")),
  offer: async (storage) => await storage.offer?.(at("offered"), { size: 5 }),
  setMetadata: async (storage) => await storage.setMetadata?.(at("dated"), { mtimeMs: 5000 }),
};

for (const [body, open] of Object.entries(BODIES)) {
  Deno.test(`no operation waits for ${body}`, async () => {
    await using it = await place();
    const finish = await open(it.storage, 0);
    for (const [i, [what, operation]] of Object.entries(OPERATIONS).entries()) {
      await within(operation(it.storage, i), what, 5_000);
    }
    await within(Promise.all(Object.values(OPERATIONS).map((operation, i) => operation(it.storage, 100 + i))), "all");
    await within(finish(), "the end of it", 20_000);
  });
}

Deno.test("all kinds of bodies may be open at the same time, and be ended in any order", async () => {
  for (const connections of [1, 3]) {
    await using it = await place(connections);
    const ends = await within(
      Promise.all(Object.values(BODIES).map((open, i) => open(it.storage, i))),
      "all of them",
      10_000,
    );
    for (const end of ends.reverse()) await within(end(), "the end of one", 20_000);
    assertEquals((await it.storage.stat(at("parts6"))).size, 5);
  }
});

Deno.test("what is asked for behind a file that is read on stays on the one connection", async () => {
  await using it = await place(1, 1000);
  const readers = await Promise.all(
    Array.from({ length: 20 }, () => it.storage.read(at("small"))).map(async (each) => {
      const reader = await each;
      return (await drain(reader)).length;
    }),
  );
  assertEquals(new Set(readers), new Set([5]));
  await Promise.all([contentOf(it.storage, "large"), it.storage.stat(at("small")), contentOf(it.storage, "small")]);
  assertEquals(it.served.events.of("open").length, 1);
});

Deno.test("a body that has stood still once does not make anybody wait again", async () => {
  await using it = await place();
  const reader = await it.storage.read(at("large"));
  for (let i = 0; i < 20; i++) {
    await reader.next?.();
    await it.storage.stat(at("small"));
  }
  reader.close();
  await it.pool.close();
  assertEquals(it.served.events.of("open").length, 2);
  // One of them was asked for twice, at most.
  assertLess(it.served.events.of("command").filter(({ command }) => command === "stat").length, 22);
});

/** What a server is asked for on all its connections, and what it is sent. */
function recording(answer: (peer: RawPeer, request: Record<string, unknown>) => Promise<unknown>) {
  const heard: string[][] = [];
  const server = FakeServer.welcoming(async (peer) => {
    const mine: string[] = [];
    heard.push(mine);
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      const value = (frame.value ?? {}) as Record<string, unknown>;
      mine.push(
        String(
          frame.kind === "request" ? value.command : frame.kind === "cancel" ? `cancel ${value.request}` : frame.kind,
        ),
      );
      if (frame.kind === "request") await answer(peer, value);
    }
  });
  return { server, heard };
}

const METADATA = { size: 10, mtimeMs: 0, version: "v" };

Deno.test("what only looks is given up behind a body that stands still, by its number; a change never goes there", async () => {
  const { server, heard } = recording(async (peer, { command, path }) => {
    if (command === "get") await peer.sendAll(["ready", METADATA], ["data", bytes(5)]);
    else if (heard.length > 1 && command === "stat") await peer.send("ok", { kind: "file", ...METADATA });
    else if (heard.length > 1) await peer.send("ok", command === "mkdir" ? {} : { path });
  });
  await using _server = server;
  await using pool = new ConnectionPool(server.address, undefined, 10);
  const storage = new RemoteStorage(pool);
  const reader = await storage.read(at("a"));
  await within(Promise.all([storage.stat(at("b")), storage.stat(at("c")), storage.mkdir(at("d"))]), "all of them");
  while (heard[0]?.length !== 5) await setImmediate();
  assertEquals(heard[0], ["get", "stat", "stat", "cancel 2", "cancel 3"]);
  assertEquals(heard[1]?.toSorted(), ["mkdir", "stat", "stat"]);
  reader.close();
});

/** Waits until the signal is aborted. */
async function aborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal && !signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

Deno.test("giving one request up leaves the others alone", async () => {
  const go = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using served = await Served.with({ "a": "hello", "b": "hello" }, {}, (storage) => ({
    async digest(path, options) {
      asked.resolve();
      // The word that it is given up may come when it is its turn already.
      if (path === at("b")) await aborted(options?.signal);
      else await go.promise;
      return await storage.digest(path, options);
    },
  }));
  await using pool = new ConnectionPool(served.address);
  const storage = new RemoteStorage(pool);
  const stop = new AbortController();
  const first = storage.digest(at("a"));
  const given = failsWith(storage.digest(at("b"), stop), "Cancelled");
  const last = Promise.all([storage.stat(at("b")), storage.mkdir(at("d")), store(storage, "c", "x", { size: 1 })]);
  await within(asked.promise);
  stop.abort();
  await within(given, "the end of the one");
  go.resolve();
  assertEquals([(await within(first)).size, (await within(last))[0].size], [5, 5]);
  const outcomes = (await served.events.until("command", 5)).map(({ command, outcome }) => `${command} ${outcome}`);
  assertEquals(outcomes.filter((each) => each.endsWith("Cancelled")), ["sum Cancelled"]);
});

Deno.test("small uploads go out in one piece each, without waiting for an answer", async () => {
  const all = Promise.withResolvers<void>();
  let requests = 0;
  const { server, heard } = recording(() => Promise.resolve(++requests === 16 ? all.resolve() : undefined));
  await using _server = server;
  await using pool = new ConnectionPool(server.address);
  const storage = new RemoteStorage(pool);
  const stored = Array.from(
    { length: 50 },
    (_, i) => store(storage, `f${i}`, "x", { size: 1 }).catch(({ code }) => code),
  );
  await within(all.promise, "all requests");
  while ((heard[0]?.length ?? 0) < 48) await setImmediate();
  assertEquals(heard, [Array.from({ length: 16 }, () => ["put", "data", "end"]).flat()]);
  pool.fail(new FerryError("Disconnected", "ended by the test"));
  await Promise.all(stored);
});

Deno.test("upload() below a directory that is being made comes after it, over however many connections", async () => {
  await using served = await Served.with({}, {}, (storage) => ({
    async mkdir(...args) {
      for (let i = 0; i < 20; i++) await setImmediate();
      await storage.mkdir(...args);
    },
  }));
  await using pool = new ConnectionPool({ ...served.address, connections: 4 });
  const storage = new RemoteStorage(pool);
  await Promise.all(Array.from({ length: 10 }, async (_, i) => {
    const made = storage.mkdir(at(`t${i}`));
    const small = Array.from({ length: 4 }, (_, j) => store(storage, `t${i}/f${j}`, "x", { size: 1 }));
    await Promise.all([made, ...small, store(storage, `t${i}/unknown`, "y")]);
  }));
  await assertFile(served.join("t9", "f3"), "x");
});

Deno.test("a large upload may begin when the one before was sent, over the same connection", async () => {
  await using it = await place();
  const receipts = [];
  for (let i = 0; i < 5; i++) {
    const upload = await it.storage.upload(at(`f${i}`), { size: 2 * MIB });
    for (let j = 0; j < 2; j++) await upload.write(bytes(MIB));
    receipts.push(upload.commit());
  }
  assertEquals((await within(Promise.all(receipts))).map(({ size }) => size), Array(5).fill(2 * MIB));
  assertEquals(it.served.events.of("open").length, 1);
});

Deno.test("a refusal that comes early ends a large upload: its writes fail, and the rest is not sent", async () => {
  let received = 0;
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    await peer.send("error", { code: "NoSpace", message: "no space left", path: "f" });
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      if (frame.kind === "data") received += frame.payload.length;
      if (frame.kind === "request") await peer.send("ok", { kind: "directory", size: 0, mtimeMs: 0, version: "v" });
    }
  });
  await using pool = new ConnectionPool(server.address);
  const storage = new RemoteStorage(pool);
  const upload = await storage.upload(at("f"), { size: 2 ** 40 });
  const write = async () => {
    for (;;) await upload.write(bytes(MIB));
  };
  await failsWith(write(), "NoSpace");
  await failsWith(upload.commit(), "NoSpace");
  await upload.abort();
  assertEquals((await within(storage.stat(ROOT))).kind, "directory");
  assertLess(received, 256 * MIB);
});

Deno.test("more than is kept of small uploads waits until some of it was sent, however long", async () => {
  await using it = await place();
  const size = MIB;
  const uploads = [];
  for (let i = 0; i < 16; i++) uploads.push(await it.storage.upload(at(`f${i}`), { size }));
  let isOpen = false;
  const last = it.storage.upload(at("last"), { size: 1 }).then((upload) => {
    isOpen = true;
    return upload;
  });
  await delay(100);
  assertEquals(isOpen, false);
  for (const upload of uploads) await upload.write(bytes(size));
  await within(Promise.all(uploads.map((upload) => upload.commit())), "all receipts");
  await (await within(last)).abort();
});

Deno.test("where too many bodies stand still the next operation waits for one to end, but not for ever", async () => {
  await using it = await place(1, 20);
  const readers = [];
  for (let i = 0; i < 17; i++) readers.push(await within(it.storage.read(at("large")), `reader ${i}`, 10_000));
  const { message } = await failsWith(it.storage.stat(at("small")), "Busy");
  assertStringIncludes(message, "close some of them");
  let isDone = false;
  const stat = it.storage.stat(at("small")).then(({ size }) => {
    isDone = true;
    return size;
  });
  for (let i = 0; i < 100; i++) await setImmediate();
  assertEquals(isDone, false);
  readers[5]?.close();
  assertEquals(await within(stat), 5);
  for (const reader of readers) reader.close();
});
