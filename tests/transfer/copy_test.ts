import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Reader, ReadOptions, Storage, Upload } from "../../lib/storage/storage.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { copyContent } from "../../lib/transfer/content.ts";
import { copyFile } from "../../lib/transfer/copy.ts";
import type { Place } from "../../lib/transfer/place.ts";
import { Retry } from "../../lib/transfer/retry.ts";
import { assertFailsWith } from "../helpers/failures.ts";
import { sameBytes } from "../helpers/frames.ts";
import { MemoryStorage } from "../helpers/memory_storage.ts";
import { bytes } from "../helpers/random.ts";
import { allNames, CONTENT, flipped, MIB } from "../helpers/resuming.ts";
import { at, contentOf, partOf, replacing, store } from "../helpers/storage.ts";
import { withWrongSums } from "../helpers/sums.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";

const TIME = 1_600_000_000_123;

/** A directory and its storage. */
async function directory(): Promise<{ dir: TempDir; storage: DirectoryStorage } & AsyncDisposable> {
  const dir = await tempDir();
  const storage = DirectoryStorage.open(dir.path);
  return { dir, storage, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

function place(storage: Storage, name = "f"): Place {
  return { storage, path: at(name), shown: `the ${name}` };
}

/** Stands for a reader that has its bytes in memory, such as that of a server. */
function withNext(reader: Reader): Reader {
  const space = new Uint8Array(200_000);
  return {
    metadata: reader.metadata,
    length: reader.length,
    read: (into) => reader.read(into),
    next: async () => {
      const n = await reader.read(space);
      return n === null ? null : space.subarray(0, n);
    },
    close: () => reader.close(),
  };
}

/** Stands for an upload that sends from spaces of its own. */
function withFill(upload: Upload): Upload {
  return {
    write: (bytes) => upload.write(bytes),
    fill: async (length, read) => {
      const space = new Uint8Array(Math.min(length, 100_000));
      const n = await read(space);
      if (n !== null) await upload.write(space.subarray(0, n));
      return n;
    },
    commit: () => upload.commit(),
    abort: () => upload.abort(),
  };
}

const SIZES = [0, 1, 4096, MIB, MIB + 1, CONTENT.length];

Deno.test("copyFile() copies content, time and permission bits between any two places, however bytes are moved", async (t) => {
  for (const way of ["through one buffer", "what the source has", "into what the target has", "both"]) {
    for (const kind of ["memory to memory", "memory to directory", "directory to memory", "directory to directory"]) {
      await t.step(`${kind}, ${way}`, async () => {
        await using here = await directory();
        await using there = await directory();
        const [from, to] = kind.split(" to ");
        const source: Storage = from === "memory" ? new MemoryStorage() : here.storage;
        const target: Storage = to === "memory" ? new MemoryStorage() : there.storage;
        const read = async (...args: Parameters<Storage["read"]>) => withNext(await source.read(...args));
        const upload = async (...args: Parameters<Storage["upload"]>) => withFill(await target.upload(...args));
        const reads = way === "what the source has" || way === "both" ? { read } : {};
        const writes = way === "into what the target has" || way === "both" ? { upload } : {};
        for (const size of SIZES) {
          await store(source, "f", CONTENT.subarray(0, size), { mtimeMs: TIME, mode: 0o640 });
          const moved: [number, number][] = [];
          const options = { onProgress: (...step: [number, number]) => void moved.push(step) };
          const outcome = await copyFile(
            place(replacing(source, reads)),
            place(replacing(target, writes), "g"),
            options,
          );
          assertEquals(outcome, "done");
          assert(sameBytes(await contentOf(target, "g"), CONTENT.subarray(0, size)), `${size} bytes`);
          assertEquals((await target.stat(at("g"))).mtimeMs, TIME);
          assertEquals([moved[0], moved.at(-1)], [[0, size], [size, size]]);
        }
      });
    }
  }
});

Deno.test("copyFile() goes on with what a place has kept, whether the size is known or not", async (t) => {
  for (
    const [what, kept, from] of [
      ["two blocks and a part", CONTENT.subarray(0, 2 * MIB + 500), 2 * MIB + 500],
      ["a wrong second block", flipped(CONTENT.subarray(0, 2 * MIB), MIB), MIB],
      ["nothing right", flipped(CONTENT.subarray(0, MIB), 0), 0],
    ] as const
  ) {
    for (const isKnown of [true, false]) {
      await t.step(`${what}, ${isKnown ? "known" : "unknown"}`, async () => {
        await using there = await directory();
        await Deno.writeFile(there.dir.join(temporaryName("f")), kept);
        const source = new MemoryStorage();
        source.set("f", CONTENT, { mtimeMs: TIME });
        const reads: ReadOptions[] = [];
        const read = (...[path, options = {}]: Parameters<Storage["read"]>) => {
          reads.push(options);
          return source.read(path, options);
        };
        const known = isKnown ? await source.stat(at("f")) : undefined;
        const moved: number[] = [];
        await copyFile(place(replacing(source, { read })), place(there.storage), {
          known,
          onProgress: (n) => moved.push(n),
        });
        assertEquals(reads.map(({ offset = 0 }) => offset), [from]);
        if (from > 0) assertEquals(reads[0]?.ifVersion, (await source.stat(at("f"))).version);
        assertEquals(moved[0], from);
        assert(sameBytes(await Deno.readFile(there.dir.join("f")), CONTENT));
        assertEquals(allNames(there.dir.path), ["f"]);
      });
    }
  }
});

Deno.test("copyFile() with resume false, or of a file that is known to be small, asks for nothing that was kept", async () => {
  await using there = await directory();
  const source = new MemoryStorage();
  source.set("f", CONTENT);
  source.set("small", CONTENT.slice(0, MIB));
  let offers = 0;
  const offer: Storage["offer"] = (path, options) => {
    offers++;
    return there.storage.offer(path, options);
  };
  const target = replacing(there.storage, { offer });
  await copyFile(place(source), place(target), { resume: false });
  await copyFile(place(source, "small"), place(target), { known: await source.stat(at("small")) });
  assertEquals(offers, 0);
  await copyFile(place(source), place(target), { known: await source.stat(at("f")) });
  assertEquals(offers, 1);
});

Deno.test("copyFile() of a source that changes when it goes on begins again, and gives up when it always changes", async () => {
  for (const times of [1, 2, Infinity]) {
    await using there = await directory();
    await Deno.writeFile(there.dir.join(temporaryName("f")), CONTENT.subarray(0, 2 * MIB));
    const source = new MemoryStorage();
    source.set("f", CONTENT, { mtimeMs: TIME });
    const next = flipped(CONTENT, 5);
    let changes = 0;
    const read: Storage["read"] = async (path, options) => {
      const reader = await source.read(path, options);
      if (changes < times) source.set("f", ++changes % 2 === 1 ? next : CONTENT.slice(), { mtimeMs: TIME + changes });
      return reader;
    };
    const copying = copyFile(place(replacing(source, { read })), place(there.storage));
    if (times === Infinity) {
      await assertFailsWith("Changed", () => copying);
      assert(!allNames(there.dir.path).includes("f"));
      assert(changes <= 4, `${changes} attempts`);
    } else {
      assertEquals(await copying, "done");
      assert(sameBytes(await Deno.readFile(there.dir.join("f")), await contentOf(source, "f")));
    }
  }
});

Deno.test("copyFile() skips what is there as it is told, and plans instead of copying", async () => {
  await using there = await directory();
  const source = new MemoryStorage();
  const target = place(there.storage);
  const change = (content: string, mtimeMs: number) => source.set("f", new TextEncoder().encode(content), { mtimeMs });
  change("content", TIME);
  assertEquals(await copyFile(place(source), target, { dryRun: true }), "planned");
  assertEquals(allNames(there.dir.path), []);
  assertEquals(await copyFile(place(source), target, { same: true }), "done");
  assertEquals(await copyFile(place(source), target, { same: true }), "skipped");
  assertEquals(await copyFile(place(source), target, { same: true, mtimeMs: TIME + 1000 }), "done");
  assertEquals(await copyFile(place(source), target, { same: true, mtimeMs: TIME + 1000 }), "skipped");
  assertEquals(await copyFile(place(source), target, { same: true, mtimeMs: TIME }), "done");
  change("CONTENT", TIME);
  assertEquals(await copyFile(place(source), target, { same: true }), "skipped");
  assertEquals(await copyFile(place(source), target, { checksum: true, dryRun: true }), "planned");
  assertEquals(await copyFile(place(source), target, { overwrite: false }), "skipped");
  assertEquals(await Deno.readTextFile(there.dir.join("f")), "content");
  assertEquals(await copyFile(place(source), target, { checksum: true }), "done");
  change("CONTENT", TIME + 1);
  assertEquals(await copyFile(place(source), target, { checksum: true }), "skipped");
  assertEquals(await copyFile(place(source), target, { same: true }), "done");
  assertEquals(await Deno.readTextFile(there.dir.join("f")), "CONTENT");
});

Deno.test("copyFile() with update skips what is newer at the target, and sends another size of the same time", async () => {
  const content = { short: bytes(10, 1), other: bytes(10, 2), long: bytes(20, 3) };
  const cases: [there: Uint8Array<ArrayBuffer>, mtimeMs: number, outcome: string][] = [
    [content.other, TIME, "skipped"],
    [content.long, TIME, "done"],
    [content.other, TIME - 1, "done"],
    [content.other, TIME + 1, "skipped"],
    [content.long, TIME + 1, "skipped"],
  ];
  for (const [there, mtimeMs, outcome] of cases) {
    const [source, target] = [new MemoryStorage(), new MemoryStorage()];
    source.set("f", content.short, { mtimeMs: TIME });
    target.set("f", there, { mtimeMs });
    assertEquals(await copyFile(place(source), place(target), { update: true }), outcome);
    assert(sameBytes(await contentOf(target, "f"), outcome === "done" ? content.short : there));
  }
  const [source, target] = [new MemoryStorage(), new MemoryStorage()];
  source.set("f", content.short, { mtimeMs: TIME });
  for (const [mtimeMs, outcome] of [[TIME + 1, "skipped"], [TIME, "done"], [TIME - 1, "done"]] as const) {
    target.set("f", content.other, { mtimeMs });
    assertEquals(await copyFile(place(source), place(target), { update: true, checksum: true }), outcome);
  }
});

Deno.test("copyFile() compares nothing where it may not look", async () => {
  const [source, target] = [new MemoryStorage(), new MemoryStorage()];
  for (const place of [source, target]) place.set("f", CONTENT, { mtimeMs: TIME });
  const stat = () => Promise.reject(new FerryError("Refused", "you may only add files"));
  const blind = place(replacing(target, { stat }));
  assertEquals(await copyFile(place(source), blind, { same: true, mayLook: false }), "done");
});

Deno.test("copyFile() with verify fails with Corrupt when the two files differ afterwards", async () => {
  const [source, target] = [new MemoryStorage(), new MemoryStorage()];
  source.set("f", CONTENT);
  const options = { verify: true, verb: "get" } as const;
  const { message } = await assertFailsWith(
    "Corrupt",
    () => copyFile(place(source), place(replacing(target, withWrongSums(target))), options),
  );
  assertStringIncludes(message, 'Cannot get "the f"');
  assertEquals(await copyFile(place(source), place(target), options), "done");
});

Deno.test("copyFile() says on which side it has failed", async () => {
  const [source, target] = [new MemoryStorage(), new MemoryStorage()];
  const full = () => Promise.reject(new FerryError("NoSpace", "full"));
  const cases: [string, string, string][] = [["get", "get", "write"], ["put", "read", "put"], [
    "copy",
    "read",
    "write",
  ]];
  for (const [verb, reading, writing] of cases) {
    const options = { verb: verb as "get" | "put" | "copy" };
    const gone = await assertFailsWith("NotFound", () => copyFile(place(source, "none"), place(target), options));
    assertEquals(gone.message, `Cannot ${reading} "the none": no such file or directory`);
    source.set("f", CONTENT);
    const refused = await assertFailsWith(
      "NoSpace",
      () => copyFile(place(source), place(replacing(target, { upload: full })), options),
    );
    assertEquals(refused.message, `Cannot ${writing} "the f": full`);
  }
});

Deno.test("copyFile() that is cancelled in the middle keeps what has arrived", async () => {
  await using there = await directory();
  const source = new MemoryStorage();
  source.set("f", CONTENT, { mtimeMs: TIME });
  const stop = new AbortController();
  const onProgress = (moved: number) => void (moved > MIB && stop.abort());
  const options = { signal: stop.signal, onProgress };
  await assertFailsWith("Cancelled", () => copyFile(place(source), place(there.storage), options));
  assertEquals(allNames(there.dir.path), [temporaryName("f")]);
  assert(Deno.statSync(there.dir.join(temporaryName("f"))).size > MIB);
});

Deno.test("copyContent() fails with Changed when a source gives less or more than it has announced", async () => {
  const target = new MemoryStorage();
  for (const difference of [-1, 1]) {
    for (const wrap of [(reader: Reader) => reader, withNext]) {
      const source = new MemoryStorage();
      source.set("f", CONTENT.slice(0, 1000));
      const read: Storage["read"] = async (path, options) => {
        const reader = await source.read(path, options);
        const { metadata, length } = reader;
        return wrap({ ...reader, metadata: { ...metadata, size: length - difference }, length: length - difference });
      };
      await assertFailsWith("Changed", () => copyContent(place(replacing(source, { read })), place(target)));
    }
  }
  assertEquals(target.held.size, 0);
});

const LARGE = bytes(70_000_000, 3);

Deno.test("copyFile() over several connections copies ranges at once, and each goes on after a loss", async () => {
  await using there = await directory();
  const source = new MemoryStorage();
  source.set("f", LARGE, { mtimeMs: TIME });
  let [open, most, losses] = [0, 0, 0];
  const read: Storage["read"] = async (path, options) => {
    most = Math.max(most, ++open);
    const reader = await source.read(path, options);
    let given = 0;
    const read = async (into: Uint8Array) => {
      if (losses < 2 && given > 5 * MIB) {
        losses++;
        throw new FerryError("Disconnected", "lost");
      }
      const n = await reader.read(into);
      given += n ?? 0;
      return n;
    };
    return { ...reader, read, close: () => void open-- };
  };
  const moved: number[] = [];
  const options = { connections: 3, retry: new Retry(), onProgress: (n: number) => void moved.push(n) };
  assertEquals(await copyFile(place(replacing(source, { read })), place(there.storage), options), "done");
  assertEquals([most, open, losses], [3, 0, 2]);
  assert(sameBytes(await Deno.readFile(there.dir.join("f")), LARGE));
  assertEquals(moved.at(-1), LARGE.length);
  assertEquals(allNames(there.dir.path), ["f"]);
});

Deno.test("copyFile() over several connections begins again when the connection that holds the upload is lost", async () => {
  await using there = await directory();
  const source = new MemoryStorage();
  source.set("f", LARGE, { mtimeMs: TIME });
  let uploads = 0;
  const upload: Storage["upload"] = async (path, options) => {
    const real = await there.storage.upload(path, options);
    if (++uploads > 1) return real;
    const failure = Promise.withResolvers<FerryError>();
    let parts = 0;
    const openPart = async (offset: number) => {
      const part = await partOf(real, offset);
      if (++parts < 3) return part;
      setTimeout(() => failure.resolve(new FerryError("Disconnected", "lost")), 10);
      throw new FerryError("NotFound", "the upload has ended");
    };
    return {
      write: (bytes) => real.write(bytes),
      commit: () => Promise.reject(new FerryError("BadRequest", "it has a gap")),
      abort: () => real.abort(),
      openPart,
      failure: failure.promise,
    };
  };
  const options = { connections: 3, retry: new Retry({ retryMs: 2_000 }) };
  assertEquals(await copyFile(place(source), place(replacing(there.storage, { upload })), options), "done");
  assertEquals(uploads, 2);
  assert(sameBytes(await Deno.readFile(there.dir.join("f")), LARGE));
});

Deno.test("copyFile() over several connections takes the plain way where a target takes no parts", async () => {
  const [source, target] = [new MemoryStorage(), new MemoryStorage()];
  source.set("f", LARGE, { mtimeMs: TIME });
  let reads = 0;
  const read: Storage["read"] = (path, options) => {
    reads++;
    return source.read(path, options);
  };
  await copyFile(place(replacing(source, { read })), place(target), { connections: 3 });
  assert(sameBytes(await contentOf(target, "f"), LARGE));
  assertEquals(reads, 1);
});

Deno.test("copyFile() in ranges of a source that always changes fails with Changed, and nothing appears", async () => {
  await using there = await directory();
  const source = new MemoryStorage();
  source.set("f", LARGE, { mtimeMs: TIME });
  let reads = 0;
  const read: Storage["read"] = (path, options) => {
    if (++reads > 2) source.set("f", flipped(LARGE, 69_000_000), { mtimeMs: TIME });
    return source.read(path, options);
  };
  const options = { connections: 2 };
  await assertFailsWith("Changed", () => copyFile(place(replacing(source, { read })), place(there.storage), options));
  assert(!allNames(there.dir.path).includes("f"));
});

Deno.test("copyFile() that was cut off before it was confirmed looks whether the file has arrived", async () => {
  const source = new MemoryStorage();
  source.set("f", CONTENT, { mtimeMs: TIME });
  for (const [arrives, mtimeMs] of [[true, undefined], [false, undefined], [true, 5000], [false, 5000]] as const) {
    const target = new MemoryStorage();
    let uploads = 0;
    const upload: Storage["upload"] = async (path, options) => {
      const real = await target.upload(path, options);
      const isCut = ++uploads === 1;
      const commit = async () => {
        const receipt = isCut && !arrives ? undefined : await real.commit();
        if (isCut || !receipt) throw new FerryError("Disconnected", "lost");
        return receipt;
      };
      return { ...real, commit };
    };
    const options = { verb: "put", retry: new Retry(), overwrite: false, mtimeMs } as const;
    assertEquals(await copyFile(place(source), place(replacing(target, { upload })), options), "done");
    assertEquals(uploads, arrives ? 1 : 2);
    assert(sameBytes(await contentOf(target, "f"), CONTENT));
  }
});

Deno.test("copyFile() that was cut off says that the file may have arrived when it may not look", async () => {
  const source = new MemoryStorage();
  source.set("f", CONTENT, { mtimeMs: TIME });
  let looks = 0;
  const look = () => {
    looks++;
    return Promise.reject(new FerryError("Refused", "you may only add files"));
  };
  let uploads = 0;
  const upload: Storage["upload"] = () =>
    Promise.reject(new FerryError(++uploads === 1 ? "Disconnected" : "AlreadyExists", "it exists already"));
  const target = replacing(new MemoryStorage(), { upload, stat: look, digest: look });
  const { message } = await assertFailsWith(
    "AlreadyExists",
    () => copyFile(place(source), place(target), { verb: "put", retry: new Retry(), mayLook: false }),
  );
  assertStringIncludes(message, "perhaps it had arrived");
  assertEquals(looks, 0);
});

Deno.test("copyFile() takes what it has sent for no progress before it was confirmed", async () => {
  const source = new MemoryStorage();
  await store(source, "f", "content");
  let attempts = 0;
  const lost = Promise.withResolvers<void>();
  const target = replacing(new MemoryStorage(), {
    upload: () => {
      attempts++;
      const commit = () => {
        lost.resolve();
        return Promise.reject(new FerryError("Disconnected", "made by the test"));
      };
      return Promise.resolve({ write: () => {}, commit, abort: () => Promise.resolve() });
    },
  });
  const retry = new Retry({ retryMs: 1 });
  const copy = () => copyFile(place(source), place(target), { verb: "put", retry });
  const first = assertFailsWith("Disconnected", copy);
  await lost.promise;
  // Both lose their connections together, twice, and give up together.
  await Promise.all([first, assertFailsWith("Disconnected", copy)]);
  assertEquals(attempts, 4);
});
