import { assertEquals } from "@std/assert";
import { ROOT } from "../../../lib/core/remote_path.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { at, entriesOf, namesOf, store, textOf } from "../../helpers/storage.ts";
import { assertNoWay, type Define, LONG_AGO } from "./define.ts";

/** Listing directories. */
export function testList(define: Define): void {
  define(
    "list",
    "gives the entries sorted by the bytes of their names, a directory's with a slash, with their metadata",
    async (storage) => {
      const names = ["b", "C", "a", "a.txt", "a-b", "10", "9", "é", "天", "📡", "\uffee", ".x"];
      for (const name of names) await store(storage, name, name, { mtimeMs: LONG_AGO });
      for (const name of ["d", "a0", "天-", "\uffee+"]) await storage.mkdir(at(name));
      await store(storage, "d.x", "x");
      const sorted = [".x", "10", "9", "C", "a", "a-b", "a.txt", "a0", "b", "d.x", "d", "é", "天", "天-"];
      for (const recursive of [false, true]) {
        const entries = await entriesOf(storage, "", recursive);
        assertEquals(entries.map(({ path }) => path), [...sorted, "\uffee", "\uffee+", "📡"]);
        for (const { path, ...entry } of entries) {
          const { version: _, ...metadata } = await storage.stat(at(path));
          assertEquals<unknown>(entry, metadata);
        }
      }
    },
  );

  define("list", "gives nothing for an empty directory", async (storage) => {
    await storage.mkdir(at("d"));
    assertEquals(await namesOf(storage, "d"), []);
    assertEquals(await namesOf(storage, "d", true), []);
    assertEquals(await namesOf(storage), ["d"]);
  });

  define("list", "enters directories only when asked to, parents first, paths relative", async (storage) => {
    for (const path of ["a", "a/b", "a/b/c", "a.b", "z"]) await storage.mkdir(at(path));
    for (const path of ["a/b/c/x", "a/b/y", "a/z", "a.b/x", "b"]) await store(storage, path, path);
    assertEquals(await namesOf(storage), ["a.b", "a", "b", "z"]);
    const below = ["b", "b/c", "b/c/x", "b/y", "z"];
    assertEquals(await namesOf(storage, "a", true), below);
    const all = ["a.b", "a.b/x", "a", ...below.map((path) => `a/${path}`), "b", "z"];
    assertEquals(await namesOf(storage, "", true), all);
  });

  define("list", "gives thousands of entries, and may be left early", async (storage) => {
    for (let i = 0; i < 2000; i++) await storage.mkdir(at(`d${i}`));
    assertEquals((await namesOf(storage)).length, 2000);
    for await (const { path } of storage.list(ROOT)) {
      assertEquals(path, "d0");
      break;
    }
    assertEquals((await namesOf(storage, "d1", true)).length, 0);
  });

  define("list", "fails for what is not a directory", async (storage) => {
    await store(storage, "file", "x");
    await assertFailsWith("NotADirectory", () => namesOf(storage, "file"));
    await assertFailsWith("NotFound", () => namesOf(storage, "missing"));
    await assertNoWay(() => namesOf(storage, "file/a"), "file/a");
  });
}

/** Making directories. */
export function testMkdir(define: Define): void {
  define("mkdir", "makes a directory", async (storage) => {
    await storage.mkdir(at("天 d"));
    await storage.mkdir(at("天 d/e"));
    assertEquals(await namesOf(storage, "", true), ["天 d", "天 d/e"]);
    await assertFailsWith("NotFound", () => storage.mkdir(at("missing/d")));
  });

  define("mkdir", "makes missing parents when asked to", async (storage) => {
    await storage.mkdir(at("a/b/c"), { parents: true });
    await storage.mkdir(at("a/b/c"), { parents: true });
    await storage.mkdir(at("a/x"), { parents: true });
    await storage.mkdir(ROOT, { parents: true });
    assertEquals(await namesOf(storage, "", true), ["a", "a/b", "a/b/c", "a/x"]);
  });

  define("mkdir", "refuses a name that is taken", async (storage) => {
    await storage.mkdir(at("d"));
    await store(storage, "file", "x");
    for (const path of [at("d"), at("file"), ROOT]) await assertFailsWith("AlreadyExists", () => storage.mkdir(path));
    await assertFailsWith("AlreadyExists", () => storage.mkdir(at("file"), { parents: true }));
    await assertFailsWith("AlreadyExists", () => storage.mkdir(at("file/a"), { parents: true }));
    await assertNoWay(() => storage.mkdir(at("file/a")), "file/a");
    assertEquals(await textOf(storage, "file"), "x");
  });
}

/** Renaming files and directories. */
export function testRename(define: Define): void {
  define("rename", "moves a file, which stays the same", async (storage) => {
    await storage.mkdir(at("d"));
    await store(storage, "a", "content", { mtimeMs: LONG_AGO });
    await storage.rename(at("a"), at("d/天 b"));
    assertEquals(await namesOf(storage, "", true), ["d", "d/天 b"]);
    assertEquals(await textOf(storage, "d/天 b"), "content");
    assertEquals((await storage.stat(at("d/天 b"))).mtimeMs, LONG_AGO);
  });

  define("rename", "moves a directory with all that is in it", async (storage) => {
    await storage.mkdir(at("a/b"), { parents: true });
    await store(storage, "a/b/x", "x");
    await storage.rename(at("a"), at("ab"));
    assertEquals(await namesOf(storage, "", true), ["ab", "ab/b", "ab/b/x"]);
  });

  define("rename", "refuses a new name that is taken", async (storage) => {
    await storage.mkdir(at("d"));
    await storage.mkdir(at("empty"));
    await store(storage, "a", "a");
    await store(storage, "b", "b");
    for (const [from, to] of [["a", "b"], ["a", "d"], ["d", "empty"], ["d", "a"], ["a", "a"], ["d", "d"]] as const) {
      await assertFailsWith("AlreadyExists", () => storage.rename(at(from), at(to)), `${from} to ${to}`);
    }
    assertEquals(await namesOf(storage), ["a", "b", "d", "empty"]);
    assertEquals([await textOf(storage, "a"), await textOf(storage, "b")], ["a", "b"]);
  });

  define("rename", "refuses to move a directory into itself", async (storage) => {
    await storage.mkdir(at("d/e"), { parents: true });
    await assertFailsWith("BadRequest", () => storage.rename(at("d"), at("d/x")));
    await assertFailsWith("BadRequest", () => storage.rename(at("d"), at("d/e/x")));
    await storage.rename(at("d"), at("dd"));
    assertEquals(await namesOf(storage, "", true), ["dd", "dd/e"]);
  });

  define("rename", "fails for what is not there, and for the root", async (storage) => {
    await storage.mkdir(at("d"));
    await store(storage, "file", "x");
    await assertFailsWith("NotFound", () => storage.rename(at("missing"), at("a")));
    await assertFailsWith("NotFound", () => storage.rename(at("missing/a"), at("a")));
    await assertFailsWith("NotFound", () => storage.rename(at("file"), at("missing/a")));
    await assertNoWay(() => storage.rename(at("file"), at("file/a")), "file to file/a");
    await assertFailsWith("Refused", () => storage.rename(ROOT, at("a")));
    await assertFailsWith("Refused", () => storage.rename(at("d"), ROOT));
    assertEquals(await namesOf(storage), ["d", "file"]);
  });
}

/** Removing files and directories. */
export function testRemove(define: Define): void {
  define("remove", "removes a file and an empty directory", async (storage) => {
    await storage.mkdir(at("d"));
    await store(storage, "d/天", "x");
    await storage.remove(at("d/天"));
    assertEquals(await namesOf(storage, "", true), ["d"]);
    await storage.remove(at("d"));
    assertEquals(await namesOf(storage), []);
  });

  define("remove", "refuses a directory with something in it, and the root", async (storage) => {
    await storage.mkdir(at("d"));
    await store(storage, "d/a", "x");
    await assertFailsWith("NotEmpty", () => storage.remove(at("d")));
    await assertFailsWith("Refused", () => storage.remove(ROOT));
    assertEquals(await textOf(storage, "d/a"), "x");
  });

  define("remove", "fails for what is not there", async (storage) => {
    await store(storage, "file", "x");
    await assertFailsWith("NotFound", () => storage.remove(at("missing")));
    await assertFailsWith("NotFound", () => storage.remove(at("missing/a")));
    await assertNoWay(() => storage.remove(at("file/a")), "file/a");
  });
}
