import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { connect, type Entry } from "../../lib/mod.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import type { RemoteStorage } from "../../lib/client/remote_storage.ts";
import { listAgain } from "../../lib/transfer/listing.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { type CutRange, GREETING_BYTES, RandomCuts } from "../helpers/cuts.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { Random } from "../helpers/random.ts";
import { failsWith, FakeServer, type RawPeer, Served, within } from "../helpers/raw.ts";
import type { Direction } from "../helpers/resuming.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";
import { assertSameTree, linesOf, makeTree, pathsIn, randomTree, transferTree, Watcher } from "../helpers/trees.ts";

/** A random tree on one side of a server, and a place for it on the other. */
async function place(direction: Direction, seed: number) {
  const tree = randomTree(new Random(seed), 60, 40_000);
  const served = await Served.with();
  const local = await tempDir();
  const [source, target] = direction === "get" ? [served.join(), local.path] : [local.path, served.join()];
  makeTree(source, tree);
  return { seed, served, local, source, target, watched: { root: target, tree } };
}

/** Cuts among the answers to an upload are as interesting as cuts in the upload itself. */
const RANGES: Record<Direction, readonly [CutRange, ...CutRange[]]> = {
  get: [["toClient", GREETING_BYTES, 150_000]],
  put: [["toServer", GREETING_BYTES, 150_000], ["toClient", GREETING_BYTES, 5000]],
};

/** All trees together cost some 14 s of processor time, so that a busy machine takes a multiple of it for each. */
const DEADLINE_MS = 90_000;

/** Transfers the tree of `place` over a line that is cut `cuts` times at random points. */
async function transferOverCuts(
  direction: Direction,
  { seed, served, local, source, target }: Awaited<ReturnType<typeof place>>,
  cuts: number,
): Promise<void> {
  const faults = new RandomCuts(new Random(seed), cuts, RANGES[direction]);
  await using proxy = await FaultProxy.to(served.address, faults);
  const ends = { direction, address: proxy.address, local: local.path };
  // Whoever is lucky and is done before all the cuts were made has to do it again.
  while (faults.left > 0) {
    faults.beginRun();
    const { failures } = await transferTree(ends, { retryMs: DEADLINE_MS, deadlineMs: DEADLINE_MS });
    assert(failures.length === 0, `${failures.length} failed, ${failures[0]}`);
  }
  assertSameTree(target, source);
}

for (const direction of ["get", "put"] as const) {
  Deno.test(`copyTree() with ${direction} ends complete and equal though it is cut at 100 random points`, async () => {
    // Side by side, since the pauses before each new connection take the time.
    await using places = new AsyncDisposableStack();
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => place(direction, i)));
    for (const { served, local } of all) {
      places.use(served);
      places.use(local);
    }
    await using watcher = await Watcher.of(all.map(({ watched }) => watched));
    const results = await Promise.allSettled(all.map((each) => transferOverCuts(direction, each, 5)));
    const failed = results.map((result, seed) => result.status === "rejected" ? `seed ${seed}: ${result.reason}` : "");
    assertEquals(failed.filter(Boolean), []);
    const { looks, wrong } = await watcher.stop();
    assertEquals(wrong, []);
    assertGreater(looks, 20);
  });
}

/** A server whose listing is `entries`, and whose files all hold one letter. */
function listing(...entries: unknown[]): FakeServer {
  return FakeServer.welcoming(async (peer: RawPeer) => {
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      const { command } = (frame.value ?? {}) as { command?: string };
      if (command === "dir") await peer.sendAll(["entries", entries], ["ok", { entries: entries.length }]);
      if (command === "close") return await peer.send("ok", {});
      if (command !== "get") continue;
      const letter = new TextEncoder().encode("x");
      await peer.sendAll(["ready", FACTS], ["data", letter], ["end", { size: 1 }], ["ok", {}]);
    }
  });
}

const FACTS = { size: 1, mtimeMs: 1_600_000_000_000, version: "v" };

function file(path: string): Entry {
  return { path, kind: "file", size: 1, mtimeMs: 0 };
}

/** A directory `target` in which `out` is a link to the directory beside it. */
async function targetWithLink(): Promise<TempDir> {
  const dir = await tempDir();
  await Deno.mkdir(dir.join("target"));
  await Deno.mkdir(dir.join("beside"));
  await Deno.writeTextFile(dir.join("beside", "old.txt"), "old");
  await Deno.symlink(dir.join("beside"), dir.join("target", "out"));
  await Deno.symlink(dir.join("beside", "old.txt"), dir.join("target", "out.txt"));
  await Deno.symlink(dir.join("beside", "new.txt"), dir.join("target", "new.txt"));
  return dir;
}

const OUTSIDE = [
  "../x",
  "..",
  ".",
  "a/../../x",
  "/tmp/x",
  "//x",
  "a//x",
  "a/./x",
  "",
  "x\0",
  "\ud800",
  ".ferry-0000000000000000.part",
  "a/.FERRY-x",
  "a/".repeat(2048) + "x",
  "n".repeat(256),
];

Deno.test("copyTree() writes nothing for names that no server may use", async (t) => {
  for (const path of OUTSIDE) {
    for (const kind of ["file", "directory"] as const) {
      await t.step(`${kind} ${JSON.stringify(path.slice(0, 30))}`, async () => {
        await using server = listing({ ...file(path), kind });
        await using dir = await targetWithLink();
        await failsWith(
          transferTree({ direction: "get", address: server.address, local: dir.join("target") }),
          "BadRequest",
        );
        assertEquals(pathsIn(dir.path), PLACES);
      });
    }
  }
});

const PLACES = [
  "beside/",
  "beside/old.txt",
  "target/",
  "target/new.txt (special)",
  "target/out (special)",
  "target/out.txt (special)",
];

Deno.test("copyTree() follows no link out of the target, whatever the server lists", async () => {
  const directory = (path: string) => ({ ...file(path), kind: "directory" }) as const;
  const below = [directory("out"), directory("out/d"), file("out/d/x"), file("out/old.txt"), file("out/x")];
  for (const entries of [["new.txt", "out", "out.txt"].map(file), [file("new.txt"), file("out.txt"), ...below]]) {
    await using server = listing(...entries);
    await using dir = await targetWithLink();
    const local = dir.join("target");
    const { failures, failed } = await transferTree({ direction: "get", address: server.address, local });
    assertEquals(failures.map((line) => line.split(" ")[0]).sort(), ["new.txt", "out", "out.txt"]);
    assertEquals(failed, entries.length);
    assertEquals(pathsIn(dir.path), PLACES);
    assertEquals(await Deno.readTextFile(dir.join("beside", "old.txt")), "old");
  }
});

Deno.test("copyTree() fails with a listing in which nothing fits together", async (t) => {
  const cases: Record<string, Entry[]> = {
    "a file, and one in it": [file("a"), file("a/b")],
    "a directory in a file": [file("a"), { ...file("a/b"), kind: "directory" }, file("a/b/c")],
    "a file and a directory of one name": [file("a"), file("a-b"), { ...file("a"), kind: "directory" }],
    "a file whose directory was not listed": [file("b/c/d")],
  };
  for (const [what, entries] of Object.entries(cases)) {
    await t.step(what, async () => {
      await using server = listing(...entries);
      await using local = await tempDir();
      await failsWith(transferTree({ direction: "get", address: server.address, local: local.path }), "BadRequest");
      assertEquals(pathsIn(local.path).filter((path) => path.includes("/")), []);
    });
  }
});

Deno.test("copyTree() survives sizes and times at the border", async () => {
  await using server = listing({ ...file("huge"), size: 2 ** 53 - 1, mtimeMs: -8.64e15 });
  await using local = await tempDir();
  const { failures } = await transferTree({ direction: "get", address: server.address, local: local.path });
  const found = linesOf(local.path).map((line) => line.split(" ")[0]);
  assert(found.includes("huge") || failures.some((line) => line.startsWith("huge ")), "it is not accounted for");
});

Deno.test("listAgain() loses no entry of a listing that is not sorted, or says that it is not", async () => {
  const paths = ["b", "c", "a", "d/x", "d"];
  await using server = listing(...paths.map(file));
  await using client = await connect(server.address);
  const found = await Array.fromAsync(listAll(client.storage), ({ path }) => path).catch(({ code }) => code);
  if (found !== "BadRequest") assertEquals(found, paths);
});

Deno.test("copyTree() fails when the listing is nonsense", async () => {
  for (const entries of [[5], [{ path: "a" }], [{ ...file("a"), kind: "link" }], [{ ...file("a"), size: -1 }]]) {
    await using server = listing(...entries);
    await using local = await tempDir();
    await failsWith(transferTree({ direction: "get", address: server.address, local: local.path }), "BadRequest");
    assertEquals(pathsIn(local.path), []);
  }
});

function listAll(storage: RemoteStorage): AsyncGenerator<Entry> {
  return listAgain({ storage, path: ROOT, shown: "" }, { retry: new Retry(), recursive: true });
}

/** How many files of a tree are under way on one connection that allows 1,024 requests. */
const UNDER_WAY = 768;

Deno.test("copyTree() asks for no more entries than it works on", async () => {
  let requests = 0;
  const asked = Promise.withResolvers<void>();
  const server = FakeServer.welcoming(async (peer) => {
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      if (frame.kind === "request" && ++requests === UNDER_WAY) asked.resolve();
      if ((frame.value as { command?: string } | undefined)?.command === "close") return;
    }
  }, { window: 1024 });
  await using _server = server;
  await using local = await tempDir();
  let pulled = 0;
  async function* entries(): AsyncGenerator<Entry> {
    while (pulled < 5000) yield file(`f${pulled++}`);
  }
  const stop = new AbortController();
  const ends = { direction: "get", address: server.address, local: local.path } as const;
  const running = transferTree(ends, { signal: stop.signal, entries });
  await within(asked.promise, "so many requests");
  // Were there more, they would come now.
  for (let i = 0; i < 100; i++) await setImmediate();
  assertEquals([requests, pulled], [UNDER_WAY, UNDER_WAY + 1]);
  stop.abort();
  await failsWith(running, "Cancelled");
});

Deno.test("dir() with recursive streams a deep tree that is removed meanwhile", async () => {
  await using served = await Served.with();
  makeTree(served.join(), Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`d${i}/x/y/f`, "x"])));
  await using client = await connect(served.address);
  let count = 0;
  for await (const _entry of client.dir(undefined, { recursive: true })) {
    if (++count === 1) await client.remove("d7", { recursive: true });
  }
  assertGreater(count, 0);
  await failsWith(client.stat("d7"), "NotFound");
});
