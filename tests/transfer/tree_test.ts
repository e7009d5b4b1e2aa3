import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { ConnectionPool } from "../../lib/client/connection_pool.ts";
import { RemoteStorage } from "../../lib/client/remote_storage.ts";
import { type Entry, FerryError, serve, type Storage } from "../../lib/mod.ts";
import { listAgain } from "../../lib/transfer/listing.ts";
import type { Place } from "../../lib/transfer/place.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { compareUtf8, listingKey } from "../../lib/core/listing_order.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import { RandomCuts } from "../helpers/cuts.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes, Random } from "../helpers/random.ts";
import { assertFile, failsWith, FakeServer, Served, within } from "../helpers/raw.ts";
import { DIRECTIONS } from "../helpers/resuming.ts";
import { tempDir } from "../helpers/temp.ts";
import { assertSameTree, makeTree, pathsIn, randomTree, transferTree, type Tree } from "../helpers/trees.ts";

const DEEP = Array.from({ length: 60 }, (_, i) => `d${i}`).join("/");

const TREE: Tree = {
  "empty": null,
  "a/b/empty": null,
  "a/b/c.txt": "c",
  "a/b.txt": "",
  "a.txt": "a",
  'a b/it\'s "quoted".txt': "quotes",
  "天线 测试/报告.pdf": bytes(70_000, 1),
  "Измерения/📡.csv": "x",
  "names/[1]*?.txt": "pattern",
  "names/back\\slash": "backslash",
  "names/ leading and trailing ": "spaces",
  "names/line\nbreak": "line",
  "large.bin": bytes(2_500_000, 2),
  [`${DEEP}/deep.txt`]: "deep",
};

/** The ends of a transfer in either direction: a server's directory and a local one, one of which has the tree. */
async function scene(direction: "get" | "put", tree: Tree, operations?: (storage: Storage) => Partial<Storage>) {
  const served = await Served.with({}, {}, operations);
  const local = await tempDir();
  const [source, target] = direction === "get" ? [served.join(), local.path] : [local.path, served.join()];
  makeTree(source, tree);
  return {
    served,
    source,
    target,
    ends: { direction, address: served.address, local: local.path },
    async [Symbol.asyncDispose]() {
      await served[Symbol.asyncDispose]();
      await local[Symbol.asyncDispose]();
    },
  };
}

/** The top of a server. */
function remote(address: { hostname: string; port: number }): Place & AsyncDisposable {
  const pool = new ConnectionPool(address);
  const close = () => pool.close().catch(() => {});
  return { storage: new RemoteStorage(pool), path: ROOT, shown: "", [Symbol.asyncDispose]: close };
}

function listAll(place: Place): AsyncGenerator<Entry> {
  return listAgain(place, { retry: new Retry(), recursive: true });
}

for (const direction of DIRECTIONS) {
  Deno.test(`copyTree() with ${direction} copies names, contents, times and empty directories`, async () => {
    await using place = await scene(direction, TREE);
    const steps: number[] = [];
    const { failures, filesDone, filesKnown, bytesDone, bytesKnown, skipped, listed, entries } = await transferTree(
      place.ends,
      { onStep: ({ filesDone }) => steps.push(filesDone) },
    );
    assertSameTree(place.target, place.source);
    const contents = Object.values(TREE).filter((content) => content !== null);
    const size = contents.reduce((sum, content) => sum + content.length, 0);
    assertEquals({ failures, skipped, listed, filesDone, filesKnown }, {
      failures: [],
      skipped: 0,
      listed: true,
      filesDone: contents.length,
      filesKnown: contents.length,
    });
    assertEquals([bytesDone, bytesKnown], [size, size]);
    assertEquals(entries, pathsIn(place.source).length);
    assertEquals(steps.at(-1), contents.length);
  });

  Deno.test(`copyTree() with ${direction} puts a tree into a directory that is not there yet`, async () => {
    await using place = await scene(direction, { "x/y/a.txt": "a", "x/y/z/b.txt": "b", "other.txt": "o" });
    const remote = direction === "get" ? "x/y" : "new/place";
    await transferTree({ ...place.ends, remote });
    const found = pathsIn(place.target);
    if (direction === "get") assertEquals(found, ["a.txt", "z/", "z/b.txt"]);
    else {assertEquals(found.filter((path) => path.startsWith("new/place/x/y/z/")), [
        "new/place/x/y/z/",
        "new/place/x/y/z/b.txt",
      ]);}
  });

  Deno.test(`copyTree() with ${direction} goes on after files that cannot be transferred`, async () => {
    await using place = await scene(direction, {
      "1.txt": "one",
      "2.txt": "a directory is in the way",
      "3/x.txt": "a file is in the way",
      "4.txt": "a pipe is in the way",
      "5.txt": "five",
      "6/y.txt": "six",
    });
    await Deno.mkdir(`${place.target}/2.txt/full`, { recursive: true });
    await Deno.writeTextFile(`${place.target}/3`, "in the way");
    assert((await new Deno.Command("mkfifo", { args: [`${place.target}/4.txt`] }).output()).success);
    const { failures, failed, filesDone } = await transferTree(place.ends);
    assertEquals(failures.map((line) => line.split(" ")[0]).sort(), ["2.txt", "3", "4.txt"]);
    assertEquals([failed, filesDone], [4, 3]);
    assertStringIncludes(failures.join(), "2.txt IsADirectory");
    assertStringIncludes(failures.join(), "3 AlreadyExists");
    assertStringIncludes(failures.join(), "4.txt NotAFile");
    await assertFile(`${place.target}/1.txt`, "one");
    await assertFile(`${place.target}/5.txt`, "five");
    await assertFile(`${place.target}/6/y.txt`, "six");
    await assertFile(`${place.target}/3`, "in the way");
  });

  Deno.test(`copyTree() with ${direction} reports files that have vanished`, async () => {
    await using place = await scene(direction, { "a.txt": "a", "b.txt": "b", "c.txt": "c" });
    const entries = async function* (listed: AsyncIterable<Entry>): AsyncGenerator<Entry> {
      for await (const entry of listed) {
        if (entry.path === "b.txt") await Deno.remove(`${place.source}/b.txt`);
        yield entry;
      }
    };
    const { failures, failed, filesDone } = await transferTree(place.ends, { entries });
    assertEquals([failures, failed, filesDone], [["b.txt NotFound"], 1, 2]);
    assertSameTree(place.target, place.source);
  });

  Deno.test(`copyTree() with ${direction} that is cancelled leaves whole files only`, async () => {
    const tree = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i % 7}/f${i}`, bytes(30_000, i)]));
    await using place = await scene(direction, tree);
    const stop = new AbortController();
    const onStep = ({ filesDone }: { filesDone: number }) => {
      if (filesDone >= 20) stop.abort();
    };
    await failsWith(transferTree(place.ends, { signal: stop.signal, onStep }), "Cancelled");
    const found = pathsIn(place.target).filter((path) => !path.endsWith("/") && !path.includes(".ferry-"));
    assertGreater(found.length, 19);
    for (const path of found) await assertFile(`${place.target}/${path}`, tree[path] ?? "nothing");
    assertEquals((await transferTree(place.ends)).failures, []);
    assertSameTree(place.target, place.source);
  });

  Deno.test(`copyTree() with ${direction} uses several connections`, async () => {
    const tree = randomTree(new Random(5), 60, 20_000);
    await using place = await scene(direction, tree);
    const { failures } = await transferTree(place.ends, { connections: 3 });
    assertEquals(failures, []);
    assertSameTree(place.target, place.source);
    assertGreater(place.served.events.of("open").length, 2);
  });

  Deno.test(`copyTree() with ${direction} takes what is selected only`, async () => {
    await using place = await scene(direction, { "a/1.txt": "1", "a/2.pdf": "2", "b/3.txt": "3" });
    await transferTree(place.ends, { select: ({ path }) => path.endsWith(".txt") });
    assertEquals(pathsIn(place.target), ["a/", "a/1.txt", "b/", "b/3.txt"]);
  });
}

Deno.test("copyTree() counts a file as failed when the server says that it was cancelled", async () => {
  await using place = await scene("get", { "a.txt": "a", "b.txt": "b" }, (storage) => ({
    read(path, options) {
      return path === "a.txt" ? Promise.reject(new FerryError("Cancelled", "no")) : storage.read(path, options);
    },
  }));
  const { failed, filesDone } = await transferTree(place.ends);
  assertEquals([failed, filesDone], [1, 1]);
});

Deno.test("copyTree() ends with what the connection was lost with when nothing ever arrives", async () => {
  let connections = 0;
  await using server = FakeServer.welcoming(async (peer) => {
    connections++;
    await peer.receive();
    await peer.send("ready", { size: 5, mtimeMs: 0, version: "v" });
  });
  await using local = await tempDir();
  const entries = async function* (): AsyncGenerator<Entry> {
    for (const path of ["f", "g", "h"]) yield { path, kind: "file", size: 5, mtimeMs: 0 };
  };
  const ends = { direction: "get", address: server.address, local: local.path } as const;
  const failures: string[] = [];
  const onFailure = (path: string) => void failures.push(path);
  const transfer = transferTree(ends, { retryMs: 1, entries, onFailure });
  await failsWith(within(transfer, "the end", 2_000), "Disconnected");
  assertEquals([failures, connections], [[], 2]);
});

Deno.test("copyTree() with put can be cancelled while the server makes a directory", async () => {
  const [asked, made] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const mkdir = () => {
    asked.resolve();
    return made.promise;
  };
  await using place = await scene("put", { "empty": null }, () => ({ mkdir }));
  const stop = new AbortController();
  const running = transferTree(place.ends, { signal: stop.signal });
  await within(asked.promise, "the request for the directory");
  stop.abort();
  try {
    await failsWith(running, "Cancelled");
  } finally {
    made.resolve();
  }
});

Deno.test("listAgain() goes on where it was cut off", async () => {
  const tree = Object.fromEntries(
    Array.from({ length: 3000 }, (_, i) => [`${i % 3 === 0 ? "a" : `a-${i % 7}/b`}/${"n".repeat(60)}${i}`, ""]),
  );
  await using served = await Served.with();
  makeTree(served.join(), tree);
  const cuts = new RandomCuts(new Random(3), 5, [["toClient", 50_000, 150_000]]);
  await using proxy = await FaultProxy.to(served.address, cuts);
  await using place = remote(proxy.address);
  const found = await within(Array.fromAsync(listAll(place)), "the listing", 10_000);
  const wanted = await Array.fromAsync(DirectoryStorage.open(served.join()).list(ROOT, { recursive: true }));
  assertEquals(found, wanted);
  assertLess(cuts.left, 3);
});

Deno.test("listAgain() waits for a server that comes back", async () => {
  await using dir = await tempDir();
  const names = Array.from({ length: 30_000 }, (_, i) => `${String(i).padStart(5, "0")}${"n".repeat(150)}`);
  const storage = {
    async *list() {
      for (const path of names) yield { path, kind: "file", size: 0, mtimeMs: 0 } as const;
    },
  };
  const root = new Proxy(DirectoryStorage.open(dir.path), {
    get: (target, key) => Reflect.get(storage, key) ?? Reflect.get(target, key),
  });
  const first = serve({ root, port: 0 });
  const { address } = first;
  const back = Promise.withResolvers<AsyncDisposable>();
  await using place = remote(address);
  let count = 0;
  const listing = async () => {
    for await (const { path } of listAll(place)) {
      assertEquals(path, names[count]);
      if (++count !== 10) continue;
      await first[Symbol.asyncDispose]();
      setTimeout(() => back.resolve(serve({ root, ...address })), 100);
    }
  };
  try {
    await within(listing(), "the listing", 10_000);
  } finally {
    await (await back.promise)[Symbol.asyncDispose]();
  }
  assertEquals(count, names.length);
});

Deno.test("DirectoryStorage.list() lists a tree in the order of the keys of its entries", async () => {
  await using dir = await tempDir();
  const names = ["a", "a-b", "a.txt", "a b", "B", "é", "e\u0301", "天", "📡", "\uffee", "z"];
  for (const name of names) makeTree(dir.path, { [`${name}/a/x`]: "", [`${name}/a.x`]: "", [`${name}/-`]: "" });
  const keys = (await Array.fromAsync(DirectoryStorage.open(dir.path).list(ROOT, { recursive: true }))).map(listingKey);
  assertEquals(keys.length, names.length * 5);
  for (const [i, a] of keys.entries()) {
    for (const [j, b] of keys.entries()) assertEquals(Math.sign(compareUtf8(a, b)), Math.sign(i - j), `${a}, ${b}`);
  }
});
