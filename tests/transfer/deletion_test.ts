import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import type { Entry } from "../../lib/core/metadata.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { type DeletionOptions, removeExtra } from "../../lib/transfer/deletion.ts";
import { copyTree } from "../../lib/transfer/tree.ts";
import { Filter } from "../../lib/transfer/filter.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { assertFailsWith } from "../helpers/failures.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { NOT_ON_WINDOWS } from "../helpers/places.ts";
import { at, replacing } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";
import { makeTree, pathsIn, type Tree } from "../helpers/trees.ts";

type Operations = (storage: Storage) => Partial<Storage>;

/** Two directories, of which the second is to have only what the first has. */
async function pair(source: Tree, target: Tree) {
  const dir = await tempDir();
  const [from, to] = [dir.join("from"), dir.join("to")];
  for (const [root, tree] of [[from, source], [to, target]] as const) {
    Deno.mkdirSync(root);
    makeTree(root, tree);
  }
  const place = (root: string, shown: string, operations: Operations = () => ({})) => {
    const storage = DirectoryStorage.open(root);
    return { storage: replacing(storage, operations(storage)), path: ROOT, shown };
  };
  return {
    from,
    to,
    outside: dir.join("outside"),
    /** What was removed, in order, and what could not be. */
    async remove(options: Partial<DeletionOptions> = {}, atTarget?: Operations, atSource?: Operations) {
      const removed: string[] = [];
      const failures: string[] = [];
      const count = await removeExtra(place(from, "from", atSource), place(to, "to", atTarget), {
        retry: new Retry(),
        onRemoved: (path) => void removed.push(path),
        onFailure: (_path, { message }) => failures.push(message),
        ...options,
      });
      assertEquals(count, removed.length);
      return { removed, failures };
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

function without(...patterns: string[]): Filter {
  return new Filter(patterns.map((pattern) => ({ isIncluded: false, pattern })));
}

/** Entries that a storage lists, changed. */
function listing(change: (entries: Entry[]) => Iterable<Entry>): Operations {
  return (storage) => ({
    async *list(path, options) {
      yield* change(await Array.fromAsync(storage.list(path, options)));
    },
  });
}

const SOURCE: Tree = { "a": "a", "d/b": "b", "d/e/f": "f", "x": "x" };

const EXTRA: Tree = {
  ...SOURCE,
  "0": "0",
  "a0": "0",
  "d/a": "a",
  "d/e/g": "g",
  "d!": "!",
  "old/x/y/z": "z",
  "old/q": "q",
  "zz/empty": null,
};

const GONE = ["0", "a0", "d!", "d/a", "d/e/g", "old", "old/q", "old/x", "old/x/y", "old/x/y/z", "zz", "zz/empty"];

Deno.test("removeExtra() removes what only the target has, a directory after all in it", async () => {
  await using both = await pair(SOURCE, EXTRA);
  const { removed, failures } = await both.remove();
  assertEquals([removed.toSorted(), failures], [GONE, []]);
  for (const [i, path] of removed.entries()) {
    assert(!removed.slice(i).some((later) => later.startsWith(`${path}/`)), `${path} went before what is in it`);
  }
  assertEquals(pathsIn(both.to), pathsIn(both.from));
  assertEquals((await both.remove()).removed, []);
});

Deno.test("removeExtra() with dryRun says the same and removes nothing", async () => {
  await using both = await pair(SOURCE, EXTRA);
  const before = pathsIn(both.to);
  assertEquals((await both.remove({ dryRun: true })).removed.toSorted(), GONE);
  assertEquals(pathsIn(both.to), before);
  const [source, target] = [both.from, both.to].map((root) => ({ storage: DirectoryStorage.open(root), shown: "" }));
  assert(source && target);
  const options = { retry: new Retry(), dryRun: true };
  assertEquals(await removeExtra({ ...source, path: ROOT }, { ...target, path: at("not/there") }, options), 0);
});

Deno.test("removeExtra() keeps what is excluded, and the directories that it is in", async () => {
  await using both = await pair({ ...SOURCE, "d/skip.o": "1" }, {
    ...EXTRA,
    "old/x/keep.o": "keep",
    "cache/deep/file": "keep",
    "d/skip.o": "2",
    "d/other.o": "keep",
    "gone/only": "",
  });
  const { removed, failures } = await both.remove({ filter: without("*.o", "/cache/") });
  assertEquals(failures, []);
  const kept = ["old", "old/x"];
  assertEquals(removed.toSorted(), [...GONE, "gone", "gone/only"].filter((path) => !kept.includes(path)).toSorted());
  const left = pathsIn(both.to).filter((path) => !pathsIn(both.from).includes(path));
  assertEquals(left, ["cache/", "cache/deep/", "cache/deep/file", "d/other.o", "old/", "old/x/", "old/x/keep.o"]);
});

Deno.test({
  ...NOT_ON_WINDOWS,
  name: "removeExtra() removes links and pipes themselves, and nothing behind them",
  async fn() {
    await using both = await pair({ ...SOURCE, "linked/in": "in" }, SOURCE);
    makeTree(both.outside, { "precious/file": "precious", "file": "precious" });
    await Deno.symlink("d", `${both.to}/inside`);
    await Deno.symlink("a", `${both.to}/to-file`);
    await Deno.symlink(`${both.outside}/precious`, `${both.to}/outside`);
    await Deno.symlink(`${both.outside}/file`, `${both.to}/d/file`);
    await Deno.symlink("nowhere", `${both.to}/broken`);
    await Deno.symlink(".", `${both.to}/d/circle`);
    // The source has a directory of this name. A copy writes nothing through it, so what is behind it is not ours.
    await Deno.symlink("old", `${both.to}/linked`);
    makeTree(both.to, { "old/in": "in", "old/more": "more" });
    assert((await new Deno.Command("mkfifo", { args: [`${both.to}/pipe`] }).output()).success);
    const { removed, failures } = await both.remove({ filter: without("/old") });
    assertEquals(failures, []);
    assertEquals(removed.toSorted(), ["broken", "d/circle", "d/file", "inside", "outside", "pipe", "to-file"]);
    assertEquals(pathsIn(both.outside), ["file", "precious/", "precious/file"]);
    assertEquals(pathsIn(`${both.to}/old`), ["in", "more"]);
    assertEquals(pathsIn(`${both.to}/d`), ["b", "e/", "e/f"]);
  },
});

for (const same of [true, false]) {
  Deno.test({
    ...NOT_ON_WINDOWS,
    name: `removeExtra() removes nothing of what copyTree() has put there${same ? "" : " anew"}, whatever was linked`,
    async fn() {
      await using both = await pair({ ...SOURCE, "linked/in": "new", "twice": "t", "z": "z" }, {
        "old/in": "old",
        "extra": "extra",
        "z": "",
      });
      for (const [link, to] of [["linked", "old"], ["twice", "extra"], ["d", "old"], ["x", "z"]] as const) {
        await Deno.symlink(to, `${both.to}/${link}`);
      }
      const [source, target] = [both.from, both.to].map((root) => DirectoryStorage.open(root));
      assert(source && target);
      const there = { storage: target, path: ROOT, shown: "to" };
      const blocked: string[] = [];
      const onFailure = (path: string) => blocked.push(path);
      const entries = source.list(ROOT, { recursive: true });
      const copy = { same, onFailure };
      const progress = await copyTree({ storage: source, path: ROOT, shown: "from" }, there, entries, copy);
      assertEquals([blocked.toSorted(), progress.failed, progress.filesDone], [["d", "linked"], 6, 4]);
      assertEquals(pathsIn(`${both.to}/old`), ["in"]);
      assertEquals(await Deno.readTextFile(`${both.to}/old/in`), "old");
      await both.remove();
      for (const [path, content] of [["a", "a"], ["twice", "t"], ["x", "x"], ["z", "z"]] as const) {
        assertEquals(await Deno.readTextFile(`${both.to}/${path}`), content);
      }
    },
  });
}

Deno.test("removeExtra() takes a link for itself, and what is listed below it for nothing of its own", async () => {
  const below = { "gone/file": "old", "linked/file": "theirs" };
  await using both = await pair({ ...SOURCE, "linked/other": "mine" }, { ...SOURCE, ...below });
  const asked: string[] = [];
  const { failures } = await both.remove({}, (storage) => ({
    // As if these were links to directories that are listed, too.
    async *list(path, options) {
      for await (const entry of storage.list(path, options)) {
        yield /^(gone|linked)$/.test(entry.path) ? { ...entry, link: true } : entry;
      }
    },
    remove: (path) => Promise.resolve(void asked.push(path)),
  }));
  assertEquals([asked, failures], [["gone"], []]);
});

for (
  const [what, change] of [
    [
      "is not readable",
      (entries) => entries.map((entry) => entry.path === "x" ? { ...entry, unreadable: true } : entry),
    ],
    ["is cut", function* (entries) {
      yield* entries.slice(0, -1);
      throw new FerryError("Corrupt", "part of the listing is missing");
    }],
    ["is out of order", (entries) => entries.toReversed()],
    ["names something twice", (entries) => [...entries, ...entries.slice(-1)]],
    ["has a path that leads out", (entries) => [...entries, { ...entries[0] as Entry, path: "zzz/../../a" }]],
  ] satisfies [string, (entries: Entry[]) => Iterable<Entry>][]
) {
  for (const side of ["source", "target"] as const) {
    Deno.test(`removeExtra() removes nothing when the ${side}'s listing ${what}`, async () => {
      await using both = await pair({ ...SOURCE, "x": "x" }, { ...EXTRA, "a.extra": "" });
      const before = pathsIn(both.to);
      const operations = listing(change);
      const [atTarget, atSource] = side === "target" ? [operations] : [undefined, operations];
      let error: unknown;
      const result = await both.remove({}, atTarget, atSource).catch((thrown) => void (error = thrown));
      assert(error instanceof FerryError, Deno.inspect(result));
      assertEquals(pathsIn(both.to), before);
    });
  }
}

Deno.test("removeExtra() removes nothing when the source's listing is cut behind all that the target has", async () => {
  await using both = await pair({ ...SOURCE, "zzz": "z" }, { ...SOURCE, "a.extra": "" });
  const cut = listing(function* (entries) {
    yield* entries;
    throw new FerryError("Refused", "permission denied");
  });
  await assertFailsWith("Refused", () => both.remove({}, undefined, cut));
  assertEquals(pathsIn(both.to).includes("a.extra"), true);
});

Deno.test("removeExtra() removes nothing when something in the source cannot be read, or it is empty", async () => {
  await using both = await pair(SOURCE, EXTRA);
  const before = pathsIn(both.to);
  const pipe: Entry = { path: "x0", kind: "other", size: 0, mtimeMs: 0, reason: "a pipe" };
  const withPipe = listing((entries) => [...entries, pipe]);
  const { message } = await assertFailsWith("NotAFile", () => both.remove({}, undefined, withPipe));
  assertEquals(message, 'Cannot read "from/x0": a pipe');
  const empty = listing(() => []);
  await assertFailsWith("Refused", () => both.remove({}, undefined, empty));
  await assertFailsWith("Refused", () => both.remove({ filter: without("*") }));
  await assertFailsWith("Refused", () => both.remove({ dryRun: true }, undefined, empty));
  assertEquals(pathsIn(both.to), before);
  assertEquals((await both.remove({ filter: without("x0") }, undefined, withPipe)).removed.toSorted(), GONE);
});

Deno.test("removeExtra() gives directories back their time, and their bits where nobody may write", async () => {
  await using both = await pair(SOURCE, EXTRA);
  const times = [["d", 1_500_000_000], ["d/e", 1_400_000_000]] as const;
  for (const [path, time] of times) await Deno.utime(`${both.from}/${path}`, time, time);
  if (Deno.build.os !== "windows") {
    for (const root of [both.from, both.to]) await Deno.chmod(`${root}/d/e`, 0o555);
    await Deno.chmod(`${both.to}/old/x`, 0o500);
  }
  const changes: string[] = [];
  const root = { mtimeMs: 1_300_000_000_000 };
  const { failures } = await both.remove({ root }, (storage) => ({
    setMetadata: (path, change) => {
      changes.push(`${path} ${change.mode?.toString(8) ?? ""}`);
      return storage.setMetadata?.(path, change) ?? Promise.resolve();
    },
  }));
  assertEquals(failures, []);
  assertEquals(pathsIn(both.to), pathsIn(both.from));
  for (const [path, time] of times) assertEquals((await Deno.stat(`${both.to}/${path}`)).mtime?.getTime(), time * 1000);
  assertEquals((await Deno.stat(both.to)).mtime?.getTime(), root.mtimeMs);
  if (Deno.build.os === "windows") return;
  assertEquals((await Deno.stat(`${both.to}/d/e`)).mode ?? 0 & 0o777, (await Deno.stat(`${both.from}/d/e`)).mode);
  assertEquals(changes.filter((line) => /d\/e|old/.test(line)), ["d/e 755", "d/e 555", "old/x 700"]);
});

Deno.test("removeExtra() goes on after what cannot be removed, and keeps the directories that it is in", async () => {
  await using both = await pair(SOURCE, EXTRA);
  const { removed, failures } = await both.remove({}, (storage) => ({
    remove: (path, options) =>
      path === "old/x/y/z"
        ? Promise.reject(new FerryError("Refused", "permission denied"))
        : storage.remove(path, options),
  }));
  const kept = ["old", "old/x", "old/x/y", "old/x/y/z"];
  assertEquals(failures, ['Cannot remove "to/old/x/y/z": permission denied']);
  assertEquals(removed.toSorted(), GONE.filter((path) => !kept.includes(path)));
});

Deno.test("removeExtra() stops soon when it is cancelled", async () => {
  const many = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`many/${i}`, ""]));
  await using both = await pair(SOURCE, { ...SOURCE, ...many });
  const abort = new AbortController();
  let removed = 0;
  const onRemoved = () => {
    if (++removed === 10) abort.abort();
  };
  let listed = 0;
  await assertFailsWith("Cancelled", () =>
    both.remove({ signal: abort.signal, onRemoved }, (storage) => ({
      // One that does not look at the signal.
      async *list(path, { recursive } = {}) {
        for await (const entry of storage.list(path, { recursive })) {
          listed++;
          yield entry;
        }
      },
    })));
  assertLess(listed, 3500);
  const left = pathsIn(`${both.to}/many`).length;
  assertGreater(left, 1000);
  assertLess(left, 2000);
});

Deno.test("removeExtra() repeats what was cut off, and takes what is gone then for removed", async () => {
  await using both = await pair(SOURCE, EXTRA);
  const cut = new Set<string>();
  const { removed, failures } = await both.remove({}, (storage) => ({
    async remove(path, options) {
      await storage.remove(path, options);
      if (cut.has(path)) return;
      cut.add(path);
      if (path === "d/a") throw new FerryError("Disconnected", "the connection was reset");
    },
  }));
  assertEquals([removed.toSorted(), failures], [GONE, []]);
});

Deno.test("removeExtra() never follows a link that is put in the place of a directory meanwhile", async () => {
  await using both = await pair(SOURCE, { ...SOURCE, "old/file": "old" });
  makeTree(both.outside, { "file": "precious" });
  let listings = 0;
  const { failures } = await both.remove({}, (storage) => ({
    async *list(path, options) {
      const entries = await Array.fromAsync(storage.list(path, options));
      if (++listings === 2) {
        await Deno.remove(`${both.to}/old`, { recursive: true });
        await Deno.symlink(both.outside, `${both.to}/old`);
      }
      yield* entries;
    },
  }));
  assertStringIncludes(failures.join(), 'Cannot remove "to/old/file"');
  assertEquals(pathsIn(both.outside), ["file"]);
});

Deno.test("removeExtra() removes from 4,000 files, in one directory and in many, what is not in the source", async () => {
  const wide = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`wide/${i}`, ""]));
  const deep = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`deep/${i % 50}/${i % 500}/${i}`, ""]));
  const keeps = (path: string) => Number(path.split("/").at(-1)) % 7 === 0;
  const all = { ...wide, ...deep };
  const some = Object.fromEntries(Object.entries(all).filter(([path]) => keeps(path)));
  await using both = await pair(some, all);
  const { failures } = await both.remove();
  assertEquals(failures, []);
  assertEquals(pathsIn(both.to), pathsIn(both.from));
});
