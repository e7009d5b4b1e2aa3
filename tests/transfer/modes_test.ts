import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../lib/core/remote_path.ts";
import { connect, FerryError } from "../../lib/mod.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { copyFile } from "../../lib/transfer/copy.ts";
import { localSource, localTarget } from "../../lib/transfer/local.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { copyTree } from "../../lib/transfer/tree.ts";
import { MemoryStorage } from "../helpers/memory_storage.ts";
import { NOT_ON_WINDOWS } from "../helpers/places.ts";
import { bytes } from "../helpers/random.ts";
import { Served, within } from "../helpers/raw.ts";
import { DIRECTIONS, MIB, Resuming } from "../helpers/resuming.ts";
import { at, replacing } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";
import { linesOf, makeTree, transferTree } from "../helpers/trees.ts";

/** Runs something, and gives all permission bits that a partial file has meanwhile, from when it is made or opened on. */
async function bitsDuring(partial: string, run: () => Promise<unknown>): Promise<number[]> {
  const seen = new Set<number>();
  const { openSync, chmodSync, renameSync } = Deno;
  Deno.openSync = (path, options) => {
    const file = openSync(path, options);
    if (path === partial && options?.createNew) seen.add((file.statSync().mode ?? 0) & 0o7777);
    return file;
  };
  Deno.chmodSync = (path, mode) => {
    chmodSync(path, mode);
    if (path === partial) seen.add(mode);
  };
  Deno.renameSync = (from, to) => {
    if (from === partial) seen.add((Deno.lstatSync(from).mode ?? 0) & 0o7777);
    renameSync(from, to);
  };
  try {
    await run();
  } finally {
    Object.assign(Deno, { openSync, chmodSync, renameSync });
  }
  return [...seen];
}

/** How a file arrives: its size, and what an earlier attempt has left of it. */
const WAYS = {
  "small": { size: 10 },
  "of several frames": { size: 3 * MIB + 5 },
  "in parts": { size: 65 * MIB },
  "resumed": { size: 3 * MIB + 5, kept: 2 * MIB },
} as const;

/** The bits of the source, the receiver's umask, and the bits in the end. */
const NEW = [
  [0o600, 0o000, 0o600],
  [0o755, 0o022, 0o755],
  [0o755, 0o077, 0o700],
  [0o444, 0o022, 0o444],
  [0o666, 0o027, 0o640],
  [0o6755, 0o022, 0o755],
] as const;

/** The same for a file that replaces one with the bits that come last. */
const REPLACING = [
  [0o755, 0o022, 0o744, 0o644],
  [0o644, 0o022, 0o644, 0o444],
  [0o600, 0o022, 0o600, 0o644],
  [0o444, 0o000, 0o400, 0o600],
  [0o644, 0o077, 0o644, 0o6777],
] as const;

const CASES: readonly (readonly [mode: number, umask: number, end: number, replaced?: number])[] = [
  ...NEW,
  ...REPLACING,
];
const LARGE_CASES = [...NEW.slice(0, 2), ...REPLACING.slice(0, 2)];

function bitsOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o7777;
}

for (const direction of DIRECTIONS) {
  for (const [way, { size, ...left }] of Object.entries(WAYS)) {
    Deno.test(
      `copyFile() as a ${direction} of a file ${way} gives it the bits of its mode that umask and replaced file allow`,
      NOT_ON_WINDOWS,
      async () => {
        const content = bytes(size, 5);
        for (const [mode, umask, end, replaced] of size > 64 * MIB ? LARGE_CASES : CASES) {
          const kept = "kept" in left ? content.slice(0, left.kept) : undefined;
          await using scene = await Resuming.of(direction, content, kept);
          await using client = await connect({ ...scene.served.address, connections: 3 });
          Deno.chmodSync(scene.source, mode);
          if (replaced !== undefined) {
            Deno.writeTextFileSync(scene.target, "old");
            Deno.chmodSync(scene.target, replaced);
          }
          const there = { storage: client.storage, path: at("f"), shown: "f" };
          const [source, target] = direction === "get"
            ? [there, localTarget(scene.target)]
            : [localSource(scene.source), there];
          const known = await source.storage.stat(source.path);
          const usual = Deno.umask(umask);
          try {
            const seen = await bitsDuring(
              scene.partial,
              () => copyFile(source, target, { verb: direction, connections: 3, known }),
            );
            assert(seen.length > 0);
            const allowed = replaced === undefined ? (mode | 0o600) & 0o777 & ~umask : end | 0o600;
            assertEquals(seen.filter((bits) => (bits & ~allowed) !== 0), [], `${mode.toString(8)}`);
          } finally {
            Deno.umask(usual);
          }
          assertEquals(bitsOf(scene.target), end);
        }
      },
    );
  }

  Deno.test(
    `copyTree() as a ${direction} gives a file that is there its source's bits without its content`,
    NOT_ON_WINDOWS,
    async () => {
      await using served = await Served.with();
      await using local = await tempDir();
      const [source, target] = direction === "get" ? [served.join(), local.path] : [local.path, served.join()];
      makeTree(source, { "a": "private", "d/b": "program", "d/c": "shared", "e": "same" });
      const ends = { direction, address: served.address, local: local.path };
      assertEquals((await transferTree(ends)).filesDone, 4);
      const before = linesOf(target);
      const changes = [["a", 0o600, 0o600], ["d/b", 0o755, 0o744], ["d/c", 0o666, 0o644], ["e", 0o644, 0o644]] as const;
      for (const [path, mode] of changes) Deno.chmodSync(`${source}/${path}`, mode);
      const inodes = changes.map(([path]) => Deno.statSync(`${target}/${path}`).ino);
      for (const options of [{ same: true }, { same: true, update: true }, { checksum: true }]) {
        for (const [path] of changes) Deno.chmodSync(`${target}/${path}`, 0o644);
        const { failures, filesDone, skipped } = await transferTree(ends, options);
        assertEquals([failures, filesDone, skipped], [[], 0, 4]);
        assertEquals(changes.map(([path]) => bitsOf(`${target}/${path}`)), changes.map(([, , end]) => end));
      }
      assertEquals(linesOf(target), before);
      assertEquals(changes.map(([path]) => Deno.statSync(`${target}/${path}`).ino), inodes);
    },
  );
}

/** A directory with ten files that all may read, the same of which only the owner may, and what is set at the target. */
async function narrowedTree() {
  const [from, to] = [await tempDir(), await tempDir()];
  const names = Array.from({ length: 10 }, (_, i) => `f${i}`);
  const tree = Object.fromEntries(names.map((name) => [name, name]));
  for (const [{ path }, mode] of [[from, 0o600], [to, 0o644]] as const) {
    makeTree(path, tree);
    for (const name of names) {
      Deno.utimeSync(`${path}/${name}`, 1_700_000_000, 1_700_000_000);
      Deno.chmodSync(`${path}/${name}`, mode);
    }
  }
  const source = { storage: DirectoryStorage.open(from.path), path: ROOT, shown: "from" };
  const target = { storage: DirectoryStorage.open(to.path), path: ROOT, shown: "to" };
  return {
    names,
    source,
    target,
    list: () => source.storage.list(ROOT, { recursive: true }),
    bits: () => [...new Set(names.map((name) => bitsOf(to.join(name))))],
    async [Symbol.asyncDispose]() {
      await from[Symbol.asyncDispose]();
      await to[Symbol.asyncDispose]();
    },
  };
}

Deno.test(
  "copyTree() sets the bits of many files at the same time, and of each only once",
  NOT_ON_WINDOWS,
  async () => {
    await using tree = await narrowedTree();
    const { storage } = tree.target;
    const set: string[] = [];
    const all = Promise.withResolvers<void>();
    const watched = replacing(storage, {
      async setMetadata(path, change, options) {
        if (set.push(path) === tree.names.length) all.resolve();
        await all.promise;
        await storage.setMetadata(path, change, options);
      },
    });
    for (let i = 0; i < 2; i++) {
      const copying = copyTree(tree.source, { ...tree.target, storage: watched }, tree.list(), { same: true });
      assertEquals((await within(copying)).skipped, tree.names.length);
      assertEquals([set.sort(), tree.bits()], [tree.names, [0o600]]);
    }
  },
);

Deno.test("copyTree() sets no bits where it may not, and of nothing that is newer", NOT_ON_WINDOWS, async () => {
  await using tree = await narrowedTree();
  const { storage } = tree.target;
  const cases = [{ same: true, mayChange: false }, { same: true, overwrite: false }, { same: true, dryRun: true }];
  for (const options of cases) {
    const { skipped } = await copyTree(tree.source, tree.target, tree.list(), options);
    assertEquals([skipped, tree.bits()], [tree.names.length, [0o644]]);
  }
  const unable = new MemoryStorage();
  for (const name of tree.names) {
    unable.set(name, new TextEncoder().encode(name), { mtimeMs: 1_700_000_000_000, mode: 0o644 });
    await storage.setMetadata(at(name), { mtimeMs: 1_800_000_000_000 });
  }
  for (const target of [{ ...tree.target, storage: unable }, tree.target]) {
    const { failed, skipped } = await copyTree(tree.source, target, tree.list(), { update: true });
    assertEquals([failed, skipped, tree.bits()], [0, tree.names.length, [0o644]]);
  }
});

Deno.test("copyTree() sends a file again of which it may not set the bits", NOT_ON_WINDOWS, async () => {
  await using tree = await narrowedTree();
  const { storage } = tree.target;
  const refusing = replacing(storage, {
    setMetadata: (path, ...rest) => {
      if (path === "f3") return Promise.reject(new FerryError("Refused", "no"));
      return path === "f4" ? Promise.reject(new FerryError("Internal", "no")) : storage.setMetadata(path, ...rest);
    },
  });
  const failures: string[] = [];
  const onFailure = (path: string, { message }: FerryError) => failures.push(`${path} ${message}`);
  const target = { ...tree.target, storage: refusing };
  const sent: number[] = [];
  for (let i = 0; i < 2; i++) {
    const options = { verb: "put", same: true, onFailure } as const;
    sent.push((await copyTree(tree.source, target, tree.list(), options)).filesDone);
  }
  assertEquals(sent, [1, 0]);
  assertEquals(failures, Array(2).fill('f4 Cannot set the permission bits of "to/f4": no'));
  assertEquals((await storage.stat(at("f3"))).mode, 0o600);
});

Deno.test("copyTree() sets the bits again when the connection is lost meanwhile", NOT_ON_WINDOWS, async () => {
  await using tree = await narrowedTree();
  const { storage } = tree.target;
  let isLost = false;
  const losing = replacing(storage, {
    async setMetadata(...args) {
      if (args[0] === "f3" && !isLost) {
        isLost = true;
        throw new FerryError("Disconnected", "lost");
      }
      await storage.setMetadata(...args);
    },
    upload: () => Promise.reject(new FerryError("Refused", "nothing is to be sent")),
  });
  const options = { verb: "put", same: true, retry: new Retry() } as const;
  const { failed } = await copyTree(tree.source, { ...tree.target, storage: losing }, tree.list(), options);
  assertEquals([isLost, failed, tree.bits()], [true, 0, [0o600]]);
});
