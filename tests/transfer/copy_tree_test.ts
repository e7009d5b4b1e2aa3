import { assert, assertEquals } from "@std/assert";
import { FerryError } from "../../lib/core/errors.ts";
import type { Entry } from "../../lib/core/metadata.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import type { MetadataChange, Storage } from "../../lib/storage/storage.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { listAgain } from "../../lib/transfer/listing.ts";
import type { Place } from "../../lib/transfer/place.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { copyTree, type TreeOptions } from "../../lib/transfer/tree.ts";
import { assertFailsWith } from "../helpers/failures.ts";
import { MemoryStorage } from "../helpers/memory_storage.ts";
import { at, contentOf, namesOf, replacing } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";
import { within } from "../helpers/raw.ts";

function top(storage: Storage): Place {
  return { storage, path: ROOT, shown: "top" };
}

/** A place that has these files, which hold their own paths, and directories, which end in a slash. */
async function holding(...paths: string[]): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  for (const path of paths) {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (parent !== "") await storage.mkdir(at(parent), { parents: true });
    if (!path.endsWith("/")) storage.set(path, new TextEncoder().encode(path), { mtimeMs: 1000 + path.length });
  }
  return storage;
}

async function copied(source: Storage, target: Storage, options: TreeOptions = {}, entries?: AsyncIterable<Entry>) {
  const failures: string[] = [];
  const onFailure = (path: string, { code, message }: FerryError) => failures.push(`${path} ${code}: ${message}`);
  const list = entries ?? source.list(ROOT, { recursive: true });
  const progress = await within(copyTree(top(source), top(target), list, { onFailure, ...options }));
  return { ...progress, failures };
}

const PATHS = ["a", "b/", "b/c", "b/d/e", "b.txt", "b0/x", "empty/", "z/y/x/w"];

for (const verb of ["get", "put", "copy"] as const) {
  Deno.test(`copyTree() as a ${verb} copies a tree between any two places`, async () => {
    const source = await holding(...PATHS);
    await using dir = await tempDir();
    for (const target of [new MemoryStorage(), DirectoryStorage.open(dir.path)]) {
      const { failures, filesDone, bytesDone, bytesKnown } = await copied(source, target, { verb });
      assertEquals([failures, filesDone], [[], 6]);
      assertEquals(bytesDone, bytesKnown);
      assertEquals((await namesOf(target, "", true)).sort(), (await namesOf(source, "", true)).sort());
      for (const [path, { kind, content, mtimeMs }] of source.held) {
        if (kind === "directory") continue;
        assertEquals(await contentOf(target, path), content);
        assertEquals((await target.stat(at(path))).mtimeMs, mtimeMs);
      }
    }
  });
}

Deno.test("copyTree() makes each directory once, ahead of what is in it, and waits for none of them", async () => {
  const source = await holding("a/b/1", "a/b/2", "a/c/3", "a/4", "a/d/5", "e");
  const target = new MemoryStorage();
  const made: string[] = [];
  const asked = Promise.withResolvers<void>();
  let uploads = 0;
  const slow = replacing(target, {
    mkdir: async (...args: Parameters<Storage["mkdir"]>) => {
      made.push(args[0]);
      await asked.promise;
      // As over another connection, files come before it, and have to come again.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await target.mkdir(...args);
    },
    upload: (...args: Parameters<Storage["upload"]>) => {
      if (++uploads === 6) asked.resolve();
      return target.upload(...args);
    },
  });
  const { failures } = await copied(source, slow, { verb: "get", isNew: true });
  assertEquals([failures, made], [[], ["a", "a/b", "a/c", "a/d"]]);
  assertEquals((await namesOf(target, "", true)).length, 10);
});

Deno.test("copyTree() gives directories their time and permission bits when all that is in them is there", async () => {
  const source = await holding("d/in/f", "d/g", "e/");
  const known = new Map([["d", 0o555], ["d/in", 0o700], ["e", 0o750]]);
  for (const [path, mode] of known) {
    const held = source.held.get(path);
    if (held) source.held.set(path, { ...held, mode, mtimeMs: 5000 + mode });
  }
  const target = new MemoryStorage();
  const steps: string[] = [];
  const changes = new Map<string, MetadataChange>();
  const watched = replacing(target, {
    mkdir: (...args: Parameters<Storage["mkdir"]>) => {
      steps.push(`make ${args[0]} ${args[1]?.mode?.toString(8)}`);
      return target.mkdir(...args);
    },
    upload: async (...args: Parameters<Storage["upload"]>) => {
      const upload = await target.upload(...args);
      return {
        ...upload,
        commit: async () => {
          const receipt = await upload.commit();
          steps.push(`put ${args[0]}`);
          return receipt;
        },
      };
    },
    setMetadata: (path: string, change: MetadataChange) => {
      steps.push(`set ${path} ${change.mode?.toString(8)}`);
      changes.set(path, change);
      return path === "e" ? Promise.reject(new FerryError("Refused", "no")) : Promise.resolve();
    },
  });
  const { failures } = await copied(source, watched, { verb: "copy", root: { mtimeMs: 77 } });
  assertEquals(failures, ['e Refused: Cannot write "top/e": no']);
  assertEquals(
    changes,
    new Map<string, MetadataChange>([
      ["e", { mtimeMs: 5000 + 0o750, mode: 0o750 }],
      ["d/in", { mtimeMs: 5000 + 0o700, mode: 0o700 }],
      ["d", { mtimeMs: 5000 + 0o555, mode: 0o555 }],
      ["", { mtimeMs: 77, mode: undefined }],
    ]),
  );
  assert(steps.includes("make d 755"), "the owner must be able to write in it meanwhile");
  const before = (a: string, b: string) => assert(steps.indexOf(a) < steps.indexOf(b), `${a} before ${b}: ${steps}`);
  before("put d/in/f", "set d/in 700");
  before("set d/in 700", "set d 555");
  before("put d/g", "set d 555");
  before("set d 555", "set  undefined");
  // It may be there from an earlier run.
  before("make d 755", "set d 755");
  before("set d 755", "set d 555");
  changes.clear();
  await copied(source, watched, { dryRun: true });
  assertEquals(changes.size, 0);
});

Deno.test("copyTree() leaves nothing out without a word: what is not served is a failure, with its reason", async () => {
  const source = await holding("a");
  const entries = async function* (): AsyncGenerator<Entry> {
    yield { path: "a", kind: "file", size: 1, mtimeMs: 0 };
    yield { path: "pipe", kind: "other", size: 0, mtimeMs: 0, reason: "it is a pipe" };
    yield { path: "socket", kind: "other", size: 0, mtimeMs: 0 };
  };
  const { failures, failed, filesDone, filesKnown } = await copied(source, new MemoryStorage(), {}, entries());
  assertEquals([failed, filesDone, filesKnown], [2, 1, 1]);
  assertEquals(failures, [
    'pipe NotAFile: Cannot read "top/pipe": it is a pipe',
    'socket NotAFile: Cannot read "top/socket": it is neither a file nor a directory',
  ]);
});

Deno.test("copyTree() as a put reads as many files at a time as there are connections, and waits for no answer", async () => {
  const paths = Array.from({ length: 40 }, (_, i) => `f${i}`);
  for (const connections of [1, 3]) {
    const source = await holding(...paths);
    const target = new MemoryStorage();
    const answer = Promise.withResolvers<void>();
    let [open, most, commits] = [0, 0, 0];
    const counted = replacing(source, {
      read: async (...args: Parameters<Storage["read"]>) => {
        most = Math.max(most, ++open);
        const reader = await source.read(...args);
        return { ...reader, close: () => void open-- };
      },
    });
    const slow = replacing(target, {
      upload: async (...args: Parameters<Storage["upload"]>) => {
        const upload = await target.upload(...args);
        return {
          ...upload,
          commit: async () => {
            if (++commits === paths.length) answer.resolve();
            await answer.promise;
            return await upload.commit();
          },
        };
      },
    });
    const { failures } = await copied(counted, slow, { verb: "put", connections });
    assertEquals([failures, open, target.held.size], [[], 0, paths.length]);
    // A reader is closed a moment after the turn of the next has come.
    assert(most >= connections && most <= 2 * connections, `${most} files were open`);
  }
});

/** A listing that is cut off after so many entries, each time it is made. */
function cutting(storage: MemoryStorage, after: number): Storage {
  return replacing(storage, {
    async *list(...args: Parameters<Storage["list"]>) {
      let count = 0;
      for await (const entry of storage.list(...args)) {
        if (count++ === after) {
          after += 9;
          throw new FerryError("Disconnected", "lost");
        }
        yield entry;
      }
    },
  });
}

Deno.test("listAgain() goes on after its last entry when the connection was lost, whatever the names", async () => {
  const names = ["a", "a b", "a-b", "a.txt", "B", "é", "e\u0301", "天", "📡", "\uffee", "z"];
  const storage = await holding(...names.flatMap((name) => [`${name}/a/x`, `${name}/a.x`, `${name}/-`]));
  const place = top(cutting(storage, 1));
  const found = await Array.fromAsync(listAgain(place, { retry: new Retry({ retryMs: 1_000 }), recursive: true }));
  assertEquals(found.map(({ path }) => path), await namesOf(storage, "", true));
  assertEquals(found.length, names.length * 5);
});

Deno.test("listAgain() takes no listing that is out of order or names something twice", async () => {
  for (const paths of [["b", "a"], ["a", "a"], ["b", "c", "a", "d/x", "d"]]) {
    const storage = Object.assign(new MemoryStorage(), {
      async *list() {
        for (const path of paths) yield { path, kind: "file", size: 0, mtimeMs: 0 } as const;
      },
    });
    const listing = listAgain(top(storage), { retry: new Retry(), recursive: true });
    await assertFailsWith("BadRequest", () => Array.fromAsync(listing));
  }
});

Deno.test("listAgain() takes no listing that names something as two things, or without its directory", async () => {
  const kindOf = (key: string) => key.endsWith("/") ? "directory" : "file";
  const listing = (...keys: string[]) =>
    Object.assign(new MemoryStorage(), {
      async *list() {
        for (const key of keys) {
          if (key === "!") throw new FerryError("Disconnected", "lost");
          yield { path: key.replace(/\/$/, ""), kind: kindOf(key), size: 0, mtimeMs: 0 } as const;
        }
      },
    });
  const wrong = [
    ["q", "q/"],
    ["q", "q-1", "q/"],
    ["q", "q ", "q-1/", "q-1/x", "q-1/y", "q-2", "q/", "q/x"],
    ["d/", "d/q", "d/q-1", "d/q/"],
    ["q/b"],
    ["a", "a/b"],
    ["a/", "a/b/c"],
    ["a/", "b", "c/x"],
    ["a/", "a/b", "ab/c"],
  ];
  for (const keys of wrong) {
    const entries = listAgain(top(listing(...keys)), { retry: new Retry(), recursive: true });
    const { message } = await assertFailsWith("BadRequest", () => Array.fromAsync(entries), keys.join(" "));
    assertEquals(message, 'Cannot list "top": the listing is not in order');
  }
  // Names may begin alike.
  for (const keys of [["q", "q-1", "q-1.", "q0"], ["a-/", "a/", "a/b.c/", "a/b.c/d", "a/b/", "a/b/c", "a/bb", "ab"]]) {
    const entries = listAgain(top(listing(...keys)), { retry: new Retry(), recursive: true });
    assertEquals((await Array.fromAsync(entries)).length, keys.length);
  }
  // What was listed before the connection was lost counts, too.
  for (
    const [before, after, isWrong] of [
      [["a/", "a/b"], ["a/", "a/b", "a/c"], false],
      [["a/", "a/b"], ["a/b", "a/c"], false],
      [["q"], ["q-1", "q/", "q/x"], true],
      [["a/", "b"], ["a/", "b", "c/d"], true],
    ] as const
  ) {
    let attempts = 0;
    const lost = listing(...before, "!");
    const storage = Object.assign(new MemoryStorage(), {
      list: () => attempts++ === 0 ? lost.list() : listing(...after).list(),
    });
    const entries = listAgain(top(storage), { retry: new Retry({ retryMs: 1_000 }), recursive: true });
    if (isWrong) await assertFailsWith("BadRequest", () => Array.fromAsync(entries), after.join(" "));
    else assertEquals((await Array.fromAsync(entries)).map(({ path }) => path), ["a", "a/b", "a/c"]);
  }
});
