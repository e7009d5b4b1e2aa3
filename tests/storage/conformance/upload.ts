import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { compareUtf8 } from "../../../lib/core/listing_order.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { sameBytes } from "../../helpers/frames.ts";
import { bytes } from "../../helpers/random.ts";
import { at, contentOf, keptOf, namesOf, partOf, store, textOf } from "../../helpers/storage.ts";
import { assertNoWay, assertRefused, type Define, LONG_AGO, untilBusy } from "./define.ts";

const NAMES = [
  ".settings",
  "a b  c",
  'it\'s a "test".txt',
  "射频仿真.pptx",
  "Измерения.csv",
  "مرحبا",
  "한국어",
  "📡 antenna.png",
  "-rf",
  "~",
  "%2e%2e",
  "天".repeat(85),
  "x".repeat(255),
];

/** Storing files. */
export function testUpload(define: Define): void {
  define("upload", "stores a file and says what it stored", async (storage) => {
    const upload = await storage.upload(at("a.txt"), { size: 10, mtimeMs: LONG_AGO });
    await upload.write(new TextEncoder().encode("hello"));
    await upload.write(new TextEncoder().encode("world"));
    const receipt = await upload.commit();
    const { kind: _kind, mode: _mode, ...metadata } = await storage.stat(at("a.txt"));
    assertEquals({ ...receipt, durable: false }, { path: at("a.txt"), ...metadata, durable: false });
    assertEquals([metadata.size, metadata.mtimeMs], [10, LONG_AGO]);
    assertEquals(await textOf(storage, "a.txt"), "helloworld");
  });

  define("upload", "stores an empty file, with and without writing nothing", async (storage) => {
    const upload = await storage.upload(at("a"), { size: 0 });
    assertEquals((await upload.commit()).size, 0);
    await store(storage, "b", "");
    assertEquals([await textOf(storage, "a"), await textOf(storage, "b")], ["", ""]);
  });

  define("upload", "stores a large file whose array is used again after each write", async (storage) => {
    const content = bytes(5_000_000, 6);
    const upload = await storage.upload(at("a"), { size: content.length });
    const space = new Uint8Array(700_001);
    for (let start = 0; start < content.length; start += space.length) {
      const part = content.subarray(start, start + space.length);
      space.set(part);
      await upload.write(space.subarray(0, part.length));
      space.fill(0);
    }
    await upload.commit();
    assert(sameBytes(await contentOf(storage, "a"), content));
  });

  define("upload", "accepts names in all languages", async (storage) => {
    for (const name of NAMES) await store(storage, name, name);
    for (const name of NAMES) assertEquals(await textOf(storage, name), name);
    assertEquals(await namesOf(storage), NAMES.toSorted(compareUtf8));
  });

  define("upload", "gives a new file the current time, and every file the time that was asked for", async (storage) => {
    const before = Date.now();
    const { mtimeMs } = await store(storage, "now", "x");
    // A file system's clock may be a little behind.
    assert(mtimeMs >= before - 2000 && mtimeMs <= Date.now() + 2000, String(mtimeMs - before));
    for (const mtimeMs of [0, 1, 999, LONG_AGO, Date.UTC(2037, 0, 1, 0, 0, 0, 1)]) {
      assertEquals((await store(storage, "a", "x", { mtimeMs })).mtimeMs, mtimeMs);
      assertEquals((await storage.stat(at("a"))).mtimeMs, mtimeMs);
    }
  });

  define("upload", "shows nothing before commit()", async (storage) => {
    const upload = await storage.upload(at("a"));
    const check = async () => {
      assertEquals(await namesOf(storage), []);
      await assertFailsWith("NotFound", () => storage.stat(at("a")));
      await assertFailsWith("NotFound", () => storage.read(at("a")));
    };
    await check();
    await upload.write(bytes(100_000));
    await check();
    await upload.commit();
    assertEquals(await namesOf(storage), ["a"]);
  });

  define("upload", "shows the old content until commit(), then the new", async (storage) => {
    await store(storage, "a", "old content");
    const upload = await storage.upload(at("a"), { size: 3 });
    assertEquals(await textOf(storage, "a"), "old content");
    await upload.write(new TextEncoder().encode("ne"));
    assertEquals(await textOf(storage, "a"), "old content");
    await upload.write(new TextEncoder().encode("w"));
    assertEquals(await textOf(storage, "a"), "old content");
    await upload.commit();
    assertEquals(await textOf(storage, "a"), "new");
    assertEquals(await namesOf(storage), ["a"]);
  });

  define("upload", "gives another version even for the same size and time", async (storage) => {
    const first = await store(storage, "a", "one", { mtimeMs: LONG_AGO });
    const second = await store(storage, "a", "two", { mtimeMs: LONG_AGO });
    assertNotEquals(first.version, second.version);
  });

  define("upload", "stores different files at the same time", async (storage) => {
    const names = ["a", "b", "ab", "aa", "a.txt"];
    const uploads = await Promise.all(names.map((name) => storage.upload(at(name))));
    for (const round of [1, 2]) {
      for (const [i, upload] of uploads.entries()) await upload.write(new TextEncoder().encode(`${names[i]}${round}`));
    }
    for (const upload of uploads) await upload.commit();
    for (const name of names) assertEquals(await textOf(storage, name), `${name}1${name}2`);
  });
}

/** Uploads that are given up or refused. */
export function testUploadFailures(define: Define): void {
  define("upload", "abort() leaves the old file, or none, and nothing else", async (storage) => {
    await store(storage, "old", "old");
    for (const name of ["old", "new"]) {
      const upload = await storage.upload(at(name));
      await upload.write(bytes(100_000));
      await upload.abort();
      await upload.abort();
    }
    assertEquals(await namesOf(storage), ["old"]);
    assertEquals(await textOf(storage, "old"), "old");
    await storage.remove(at("old"));
  });

  define(
    "upload",
    "goes on with what an earlier upload of the same owner has left, in the state it was offered",
    async (storage, traits) => {
      const content = bytes(3_000_000, 8);
      const first = await storage.upload(at("a"), { owner: "one", size: content.length });
      await first.write(content.subarray(0, 2_000_000));
      await first.abort();
      const offer = (owner: string, size: number | undefined) => keptOf(storage, "a", { owner, size });
      const others = traits.hasOneOwner ? [] : [["two", 3_000_000, 0]] as const;
      for (const [owner, size, covered] of [...others, ["one", undefined, 2_000_000], ["one", 50, 50]] as const) {
        assertEquals((await offer(owner, size)).sums.covered, covered);
      }
      const { sums, state: kept } = await offer("one", content.length);
      assertEquals(sums.covered, 2_000_000);
      const options = { owner: "one", size: content.length, offset: 1_500_000, kept };
      await assertRefused("Changed", storage, "a", { ...options, size: 1_500_000, kept: "another" }, traits);
      if (!traits.hasOneOwner) {
        await assertRefused("Changed", storage, "a", { ...options, size: 1_500_000, owner: "two" }, traits);
      }
      await assertRefused("BadRequest", storage, "a", { ...options, size: 1_500_000, kept: undefined }, traits);
      await assertRefused("BadRequest", storage, "a", { ...options, size: 1_499_999 }, traits);
      const next = await storage.upload(at("a"), options);
      await untilBusy(storage, "a", { owner: "one", size: content.length });
      await next.write(content.subarray(1_500_000));
      await next.commit();
      assert(sameBytes(await contentOf(storage, "a"), content));
      assertEquals(await namesOf(storage), ["a"]);
    },
  );

  define("upload", "abort() after commit() does nothing", async (storage) => {
    const upload = await storage.upload(at("a"));
    await upload.commit();
    const next = await storage.upload(at("a"));
    await next.write(new TextEncoder().encode("next"));
    await upload.abort();
    await next.commit();
    assertEquals(await textOf(storage, "a"), "next");
  });

  define("upload", "refuses fewer bytes than announced", async (storage) => {
    await store(storage, "a", "old");
    const upload = await storage.upload(at("a"), { size: 10 });
    await upload.write(bytes(9));
    await assertFailsWith("BadRequest", () => upload.commit());
    await upload.abort();
    assertEquals(await textOf(storage, "a"), "old");
  });

  define("upload", "refuses more bytes than announced", async (storage) => {
    await store(storage, "a", "old");
    const upload = await storage.upload(at("a"), { size: 10 });
    await upload.write(bytes(10));
    await assertFailsWith("BadRequest", () => upload.write(bytes(1)));
    await assertFailsWith("BadRequest", () => upload.commit());
    await upload.abort();
    assertEquals(await textOf(storage, "a"), "old");
  });

  define(
    "upload",
    "with overwrite: false refuses a name that is taken, also if it is taken meanwhile",
    async (storage, traits) => {
      const upload = await storage.upload(at("a"), { overwrite: false });
      await upload.write(bytes(5));
      await store(storage, "other", "other");
      await storage.rename(at("other"), at("a"));
      await assertFailsWith("AlreadyExists", () => upload.commit());
      await upload.abort();
      await assertRefused("AlreadyExists", storage, "a", { overwrite: false }, traits);
      assertEquals(await textOf(storage, "a"), "other");
      assertEquals((await store(storage, "b", "x", { overwrite: false })).size, 1);
    },
  );

  define("upload", "lets one writer write a file at a time", async (storage, traits) => {
    await store(storage, "a", "old");
    for (const end of ["commit", "abort"] as const) {
      const upload = await storage.upload(at("a"));
      await upload.write(new TextEncoder().encode("first"));
      await untilBusy(storage, "a");
      await assertRefused("Busy", storage, "a", {}, traits);
      await upload[end]();
      await upload.abort();
      assertEquals(await textOf(storage, "a"), "first");
      const next = await storage.upload(at("a"));
      await next.abort();
    }
  });

  define("upload", "does not write over a directory, not even one that is made meanwhile", async (storage, traits) => {
    await storage.mkdir(at("d"));
    await assertRefused("IsADirectory", storage, "d", {}, traits);
    await assertFailsWith("IsADirectory", () => storage.upload(ROOT));
    const upload = await storage.upload(at("a"));
    await storage.mkdir(at("a"));
    await assertFailsWith("IsADirectory", () => upload.commit());
    await upload.abort();
    assertEquals((await storage.stat(at("a"))).kind, "directory");
  });

  define("upload", "needs a directory to put the file in", async (storage, traits) => {
    await store(storage, "file", "x");
    await assertRefused("NotFound", storage, "missing/a", {}, traits);
    await assertNoWay(async () => {
      const upload = await storage.upload(at("file/a"));
      return traits.refusesLate ? await upload.commit() : upload;
    }, "file/a");
    assertEquals(await namesOf(storage, "", true), ["file"]);
  });

  define(
    "upload",
    "lets no part write into the file or into the next upload once it has ended",
    async (storage, traits) => {
      for (const end of ["commit", "abort"] as const) {
        const name = end === "commit" ? "a" : "b";
        const upload = await storage.upload(at(name), { size: 5, inParts: true });
        await upload.write(new TextEncoder().encode("first"));
        const part = await partOf(upload, 0);
        await upload[end]();
        const next = await storage.upload(at("b"));
        await next.write(new TextEncoder().encode("second"));
        const writing = async () => await part.write(new TextEncoder().encode("WRONG"));
        if (traits.refusesLate) await writing();
        else await assertFailsWith("NotFound", writing);
        await assertFailsWith("NotFound", () => part.finish());
        part.close();
        await next.commit();
        assertEquals(await textOf(storage, "b"), "second");
        if (end === "commit") assertEquals(await textOf(storage, "a"), "first");
      }
    },
  );
}
