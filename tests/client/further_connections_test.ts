import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ROOT } from "../../lib/core/remote_path.ts";
import {
  connect,
  ConnectionPool,
  copyTree,
  RemoteStorage,
  Retry,
  type ServeOptions,
  type Storage,
} from "../../lib/mod.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { bytes } from "../helpers/random.ts";
import { Collector, failsWith, Served, within } from "../helpers/raw.ts";
import { at, contentOf, drain, store } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

const MIB = 1024 * 1024;

/** A server that gives one connection only. */
const ONE: Partial<ServeOptions> = { limits: { connectionsPerAddress: 1 } };

/** What promises came to: the value, or the code of the failure. */
async function outcomes(...promises: Promise<unknown>[]): Promise<unknown[]> {
  const settled = await within(Promise.allSettled(promises), "all of them", 10_000);
  return settled.map((each) => each.status === "fulfilled" ? each.value : each.reason.code);
}

Deno.test("what is asked for one after the other takes effect in that order, beside a file that is not read on", async () => {
  await using served = await Served.with({ "large": bytes(24 * MIB) });
  await using client = await served.connect();
  const go = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const held = new WritableStream<Uint8Array>({
    write() {
      begun.resolve();
      return go.promise;
    },
  });
  const get = client.get("large", held);
  await within(begun.promise);
  const kindOf = async (path: string) => (await client.stat(path)).kind;
  const all = outcomes(
    client.mkdir("a"),
    client.rename("a", "b"),
    client.mkdir("b/c"),
    kindOf("b/c"),
    client.rename("b/c", "d"),
    kindOf("d"),
    client.remove("d"),
    kindOf("d"),
  );
  const [no, done, directory] = ["NotFound", undefined, "directory"];
  assertEquals(await all, [done, done, done, directory, done, directory, done, no]);
  go.resolve();
  await get;
});

Deno.test("what comes after a change that takes long goes behind it, also when another connection is free", async (t) => {
  for (const connections of [1, 4]) {
    await t.step(`${connections} connections`, async () => {
      const go = Promise.withResolvers<void>();
      const removing = Promise.withResolvers<void>();
      await using served = await Served.with({ "large": bytes(24 * MIB), "a/old": "old" }, {}, (storage) => ({
        async remove(...args) {
          removing.resolve();
          await go.promise;
          await storage.remove(...args);
        },
      }));
      await using pool = new ConnectionPool({ ...served.address, connections }, undefined, 10);
      const storage = new RemoteStorage(pool);
      const reader = await storage.read(at("large"));
      const removed = storage.remove(at("a"), { recursive: true });
      await within(removing.promise);
      assertEquals((await drain(reader)).length, 24 * MIB);
      const made = storage.mkdir(at("a"));
      const small = store(storage, "a/new", "hello", { size: 5 });
      const large = store(storage, "a/large", bytes(2 * MIB), { size: 2 * MIB });
      await delay(50);
      go.resolve();
      await within(Promise.all([removed, made, small, large]));
      assertEquals((await contentOf(storage, "a/new")).length, 5);
      await failsWith(storage.stat(at("a/old")), "NotFound");
    });
  }
});

Deno.test("an upload that is complete comes before what is asked for later, over whatever connection", async () => {
  const go = Promise.withResolvers<void>();
  await using served = await Served.with({}, {}, (storage) => ({
    async upload(...args) {
      const upload = await storage.upload(...args);
      const commit = upload.commit.bind(upload);
      upload.commit = async () => {
        await go.promise;
        return await commit();
      };
      return upload;
    },
  }));
  await using pool = new ConnectionPool(served.address, undefined, 10);
  const storage = new RemoteStorage(pool);
  const upload = await storage.upload(at("f"), { size: 2 * MIB });
  for (let i = 0; i < 2; i++) await upload.write(bytes(MIB));
  const open = await storage.upload(at("g"), { size: 2 * MIB });
  const stored = upload.commit();
  // The sending side of the first connection is free again, that of the second is held.
  const next = await storage.upload(at("h"), { size: 2 * MIB });
  const stat = storage.stat(at("f"));
  go.resolve();
  assertEquals((await within(stat)).size, 2 * MIB);
  await Promise.all([stored, open.abort(), next.abort()]);
});

/** A directory that takes its time for every piece. */
function slowStorage(path: string, ms: number): Storage {
  const storage: Storage = DirectoryStorage.open(path);
  const open = storage.upload.bind(storage);
  storage.upload = async (...args) => {
    const upload = await open(...args);
    return {
      async write(bytes) {
        await delay(ms);
        await upload.write(bytes);
      },
      commit: () => upload.commit(),
      abort: () => upload.abort(),
    };
  };
  return storage;
}

Deno.test("a disk that is slow makes nobody ask twice, and one that stands still at most once", async (t) => {
  for (const [lookMs, ms, options] of [[1_000, 30, {}], [1_000, 30, ONE], [10, 100, {}], [10, 100, ONE]] as const) {
    await t.step(`${ms} ms, looked at every ${lookMs} ms, ${options === ONE ? "one connection" : "many"}`, async () => {
      const files = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, bytes(300_000)]));
      await using served = await Served.with(files, options);
      await using local = await tempDir();
      await using pool = new ConnectionPool(served.address, undefined, lookMs);
      const source = { storage: new RemoteStorage(pool), path: ROOT, shown: "" };
      const target = { storage: slowStorage(local.path, ms), path: ROOT, shown: "out" };
      const copying = copyTree(source, target, source.storage.list(ROOT), { verb: "get", retry: new Retry() });
      const { filesDone, failed } = await within(copying, "the tree", 20_000);
      assertEquals([filesDone, failed], [20, 0]);
      const gets = served.events.of("command").filter(({ command }) => command === "get");
      const mayAskTwice = lookMs === 10 && options !== ONE;
      assert(gets.length === 20 || mayAskTwice && gets.length <= 40, `${gets.length} requests`);
    });
  }
});

Deno.test("where a server gives one connection only, what waits for a body has its turn after it", async () => {
  await using served = await Served.with({ "large": bytes(24 * MIB), "small": "hello" }, ONE);
  await using pool = new ConnectionPool(served.address, undefined, 20);
  const storage = new RemoteStorage(pool);
  const reader = await storage.read(at("large"));
  const all = outcomes(
    storage.mkdir(at("d")),
    storage.stat(at("d")).then(({ kind }) => kind),
    contentOf(storage, "small").then(({ length }) => length),
    store(storage, "d/large", bytes(2 * MIB), { size: 2 * MIB }).then(({ size }) => size),
    store(storage, "d/small", "hello", { size: 5 }).then(({ size }) => size),
  );
  await drain(reader);
  assertEquals(await all, [undefined, "directory", 5, 2 * MIB, 5]);
  const left = await storage.read(at("large"));
  const busy = [storage.mkdir(at("e")), storage.stat(at("small"))].map((each) => failsWith(each, "Busy"));
  for (const { message } of await Promise.all(busy)) {
    assertStringIncludes(message, "the server gives no further connection");
  }
  left.close();
  assertEquals((await within(storage.stat(at("small")))).size, 5);
  await failsWith(storage.stat(at("e")), "NotFound");
});

Deno.test("where a server gives fewer connections than wanted, a tree goes over those that it gives", async () => {
  await using served = await Served.with({}, { limits: { connectionsPerAddress: 2 } });
  await using local = await tempDir();
  for (let i = 0; i < 30; i++) {
    await Deno.mkdir(local.join(`d${i}`));
    await Deno.writeFile(local.join(`d${i}`, "f"), bytes(i % 10 === 0 ? 2 * MIB : 1000));
  }
  await using pool = new ConnectionPool({ ...served.address, connections: 4 });
  const storage = DirectoryStorage.open(local.path);
  const source = { storage, path: ROOT, shown: "" };
  const target = { storage: new RemoteStorage(pool), path: ROOT, shown: "" };
  const options = { verb: "put", connections: 4, isNew: true } as const;
  const copying = copyTree(source, target, storage.list(ROOT, { recursive: true }), options);
  const { filesDone, failed } = await within(copying, "the tree", 20_000);
  assertEquals([filesDone, failed], [30, 0]);
  assertEquals(new Set(served.events.of("command").map(({ outcome }) => outcome)), new Set(["ok"]));
});

Deno.test("a client of one connection only gets into a stream that waits for its next command", async () => {
  await using served = await Served.with({ "f": bytes(3 * MIB) }, ONE);
  await using client = await connect(served.address);
  const target = new Collector();
  const [got, made] = [client.get("f", target), client.mkdir("d")];
  await within(Promise.all([got, made]));
  assertEquals(target.bytes.length, 3 * MIB);
});
