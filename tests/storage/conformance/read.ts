import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { FerryError } from "../../../lib/core/errors.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";
import type { Reader } from "../../../lib/storage/storage.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { concat, sameBytes } from "../../helpers/frames.ts";
import { bytes } from "../../helpers/random.ts";
import { at, contentOf, drain, store } from "../../helpers/storage.ts";
import { assertNoWay, type Define, LONG_AGO } from "./define.ts";

/** Facts of files and directories. */
export function testStat(define: Define): void {
  define("stat", "gives the metadata of a file", async (storage) => {
    const receipt = await store(storage, "a.txt", "hello", { mtimeMs: LONG_AGO });
    const { mode, ...metadata } = await storage.stat(at("a.txt"));
    assertEquals(metadata, { kind: "file", size: 5, mtimeMs: LONG_AGO, version: receipt.version });
    assert(mode === undefined || mode >= 0 && mode <= 0o777, String(mode));
  });

  define("stat", "gives the metadata of a directory and of the root", async (storage) => {
    await storage.mkdir(at("d"));
    for (const path of [at("d"), ROOT]) {
      const { kind, size } = await storage.stat(path);
      assertEquals({ kind, size }, { kind: "directory", size: 0 });
    }
  });

  define("stat", "gives the same version until the content changes", async (storage) => {
    const versions = new Set<string>();
    for (const content of ["one", "two", "three", ""]) {
      const { version } = await store(storage, "a.txt", content, { mtimeMs: LONG_AGO });
      assertEquals((await storage.stat(at("a.txt"))).version, version);
      await contentOf(storage, "a.txt");
      assertEquals((await storage.stat(at("a.txt"))).version, version);
      versions.add(version);
    }
    assertEquals(versions.size, 4);
  });

  define("stat", "fails for what is not there", async (storage) => {
    await store(storage, "file", "x");
    await assertFailsWith("NotFound", () => storage.stat(at("missing")));
    await assertFailsWith("NotFound", () => storage.stat(at("missing/a/b")));
    await assertNoWay(() => storage.stat(at("file/a")), "file/a");
    await assertNoWay(() => storage.stat(at("file/a/b")), "file/a/b");
  });
}

/** Reading a file, whole or in parts. */
export function testRead(define: Define): void {
  define("read", "gives a file's bytes, in pieces of any size", async (storage) => {
    const content = bytes(300_000, 1);
    await store(storage, "a", content);
    for (const chunk of [1_000_000, 65_536, 1009]) {
      assert(sameBytes(await contentOf(storage, "a", {}, chunk), content), `chunks of ${chunk}`);
    }
    await store(storage, "small", "hello");
    assertEquals(await contentOf(storage, "small", {}, 1), new TextEncoder().encode("hello"));
  });

  define("read", "gives a part of a file", async (storage) => {
    const content = bytes(1000, 2);
    await store(storage, "a", content);
    const parts = [[0, 0], [0, 1], [0, 999], [0, 1000], [1, 998], [999, 1], [1000, 0], [400, 5000], [
      1000,
      5000,
    ]] as const;
    for (const [offset, length] of parts) {
      const reader = await storage.read(at("a"), { offset, length });
      assertEquals(reader.length, Math.min(length, 1000 - offset));
      assertEquals(reader.metadata.size, 1000);
      assertEquals(await drain(reader, 300), content.slice(offset, offset + length));
    }
    assertEquals(await contentOf(storage, "a", { offset: 700 }), content.slice(700));
  });

  define("read", "goes on saying that it is at the end", async (storage) => {
    await store(storage, "a", "x");
    const reader = await storage.read(at("a"));
    const space = new Uint8Array(10);
    assertEquals([await reader.read(space), await reader.read(space), await reader.read(space)], [1, null, null]);
    reader.close();
  });

  define("read", "gives the metadata of what it reads", async (storage) => {
    await store(storage, "a", "hello", { mtimeMs: LONG_AGO });
    const reader = await storage.read(at("a"));
    assertEquals(reader.metadata, await storage.stat(at("a")));
    reader.close();
  });

  define("read", "refuses an offset beyond the end", async (storage) => {
    await store(storage, "a", "hello");
    await assertFailsWith("BadRequest", () => storage.read(at("a"), { offset: 6 }));
  });

  define("read", "fails with Changed for another version than the one asked for", async (storage) => {
    const { version } = await store(storage, "a", "one");
    assertEquals(await contentOf(storage, "a", { ifVersion: version }), new TextEncoder().encode("one"));
    await store(storage, "a", "two");
    await assertFailsWith("Changed", () => storage.read(at("a"), { ifVersion: version }));
    await assertFailsWith("Changed", () => storage.read(at("a"), { ifVersion: "" }));
  });

  define("read", "gives several readers of one file each their own place", async (storage) => {
    const content = bytes(5000, 3);
    await store(storage, "a", content);
    const readers = [await storage.read(at("a")), await storage.read(at("a"), { offset: 1000 })] as const;
    const [first, second] = [new Uint8Array(500), new Uint8Array(500)];
    await readers[0].read(first);
    await readers[1].read(second);
    assertEquals([first, second], [content.slice(0, 500), content.slice(1000, 1500)]);
    assertEquals(await drain(readers[0]), content.slice(500));
    assertEquals(await drain(readers[1]), content.slice(1500));
  });

  define("read", "never mixes two versions when the file is replaced or removed meanwhile", async (storage) => {
    const [old, replacement] = [bytes(100_000, 4), bytes(100_000, 5)];
    const changes = [() => store(storage, "a", replacement), () => storage.remove(at("a"))];
    for (const change of changes) {
      await store(storage, "a", old);
      const reader = await storage.read(at("a"));
      const start = new Uint8Array(10_000);
      assertEquals(await reader.read(start), start.length);
      await change();
      assert(sameBytes(concat(start, await restOrNothing(reader, old)), old));
    }
  });

  define("read", "fails for what is not a file", async (storage) => {
    await storage.mkdir(at("d"));
    await store(storage, "file", "x");
    await assertFailsWith("IsADirectory", () => storage.read(at("d")));
    await assertFailsWith("IsADirectory", () => storage.read(ROOT));
    await assertFailsWith("NotFound", () => storage.read(at("missing")));
    await assertNoWay(() => storage.read(at("file/a")), "file/a");
  });
}

/** The rest of `whole` from a reader that may also fail with `Changed`; then what should have come. */
async function restOrNothing(reader: Reader, whole: Uint8Array): Promise<Uint8Array> {
  try {
    return await drain(reader);
  } catch (error) {
    assert(error instanceof FerryError && error.code === "Changed", String(error));
    return whole.subarray(10_000);
  }
}

/** The SHA-256 of files. */
export function testDigest(define: Define): void {
  define("digest", "gives the SHA-256 of a file", async (storage) => {
    for (const content of [new Uint8Array(), bytes(1), bytes(1024 * 1024), bytes(2 * 1024 * 1024 + 1)]) {
      const { version } = await store(storage, "a", content);
      const sha256 = createHash("sha256").update(content).digest("hex");
      assertEquals(await storage.digest(at("a")), { sha256, size: content.length, version });
    }
    await store(storage, "abc", "abc");
    // FIPS 180-2, appendix B.1.
    const known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assertEquals((await storage.digest(at("abc"))).sha256, known);
  });

  define("digest", "fails for what is not a file", async (storage) => {
    await storage.mkdir(at("d"));
    await assertFailsWith("IsADirectory", () => storage.digest(at("d")));
    await assertFailsWith("IsADirectory", () => storage.digest(ROOT));
    await assertFailsWith("NotFound", () => storage.digest(at("missing")));
  });

  define("digest", "stops when it is aborted", async (storage) => {
    await store(storage, "a", bytes(3 * 1024 * 1024));
    const own = AbortSignal.abort(new FerryError("Cancelled", "cancelled by the client"));
    for (const signal of [own, AbortSignal.abort()]) {
      await assertFailsWith("Cancelled", () => storage.digest(at("a"), { signal }));
    }
    const later = new AbortController();
    const digest = storage.digest(at("a"), { signal: later.signal });
    later.abort();
    await assertFailsWith("Cancelled", () => digest);
    assertEquals((await storage.digest(at("a"), { signal: new AbortController().signal })).size, 3 * 1024 * 1024);
  });
}
