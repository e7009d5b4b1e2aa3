import { assert, assertEquals, assertFalse, assertGreater } from "@std/assert";
import { DirectoryStorage } from "../../../lib/storage/directory/directory_storage.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";
import { assertFailsWith, assertThrowsCode } from "../../helpers/failures.ts";
import { concat, sameBytes } from "../../helpers/frames.ts";
import { bytes } from "../../helpers/random.ts";
import { serveTemp } from "../../helpers/served.ts";
import { at, contentOf, drain, entriesOf, namesOf, store, textOf } from "../../helpers/storage.ts";
import { tempDir } from "../../helpers/temp.ts";
import { testStorage } from "../conformance.ts";

testStorage("DirectoryStorage", serveTemp);

const isWindows = Deno.build.os === "windows";

/** Whether the permissions of files mean nothing to this process. */
const isRoot = Deno.uid() === 0;

/** Whether a test for a system with POSIX file types, permissions or times has to be left out; says so. */
function skip(name: string, condition: boolean, reason: string): boolean {
  if (condition) console.log(`skipped: ${name}: ${reason}`);
  return condition;
}

/** Defines a test that only makes sense where permissions hold. */
function testPermission(name: string, test: () => Promise<void>): void {
  const ignore = skip(name, isRoot || isWindows, "file permissions do not hold for this user or system");
  Deno.test({ name, ignore, fn: test });
}

/** Sets the time of last change to long ago, so that a reader need not wait for the clock. */
async function age(path: string): Promise<void> {
  const time = new Date(Date.UTC(2001, 1, 3));
  await Deno.utime(path, time, time);
}

Deno.test("DirectoryStorage.open() needs a directory, and follows a link to it", async () => {
  await using dir = await tempDir();
  await Deno.mkdir(dir.join("d"));
  await Deno.symlink("d", dir.join("link"));
  await Deno.writeTextFile(dir.join("d/file"), "x");
  assertThrowsCode("NotFound", () => DirectoryStorage.open(dir.join("missing")));
  assertThrowsCode("NotADirectory", () => DirectoryStorage.open(dir.join("d/file")));
  const storage = DirectoryStorage.open(dir.join("link"));
  assertEquals(storage.root, dir.join("d"));
  assertEquals(await textOf(storage, "file"), "x");
});

Deno.test("DirectoryStorage.open() may serve the root of the file system", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(dir.join("file"), "x");
  const storage = DirectoryStorage.open("/");
  assertEquals(await textOf(storage, dir.join("file").slice(1)), "x");
  assertEquals((await storage.stat(ROOT)).kind, "directory");
});

Deno.test("DirectoryStorage.stat() says NotFound when the root itself is gone", async () => {
  await using served = await serveTemp();
  await Deno.remove(served.root);
  await assertFailsWith("NotFound", () => served.storage.stat(ROOT));
  await assertFailsWith("NotFound", () => served.storage.stat(at("a")));
  await assertFailsWith("NotFound", () => served.storage.upload(at("a")));
  await assertFailsWith("NotFound", () => namesOf(served.storage));
});

Deno.test("DirectoryStorage.upload() keeps the permissions of the file that it replaces", async () => {
  await using served = await serveTemp();
  for (const mode of [0o600, 0o640, 0o644, 0o755, 0o444, 0o777]) {
    await Deno.writeTextFile(served.inside("a"), "old");
    await Deno.chmod(served.inside("a"), mode);
    await store(served.storage, "a", "new");
    assertEquals(((await Deno.stat(served.inside("a"))).mode ?? 0) & 0o7777, mode);
    await Deno.remove(served.inside("a"));
  }
});

Deno.test("DirectoryStorage.upload() does not keep the set-user-ID bit", async () => {
  await using served = await serveTemp();
  await Deno.writeTextFile(served.inside("a"), "old");
  await Deno.chmod(served.inside("a"), 0o6755);
  await store(served.storage, "a", "new");
  assertEquals(((await Deno.stat(served.inside("a"))).mode ?? 0) & 0o7777, 0o755);
});

Deno.test("DirectoryStorage.upload() gives a new file the permissions that any new file gets", async () => {
  await using served = await serveTemp();
  await Deno.writeTextFile(served.inside("other"), "");
  await store(served.storage, "a", "new");
  assertEquals((await Deno.stat(served.inside("a"))).mode, (await Deno.stat(served.inside("other"))).mode);
});

Deno.test("DirectoryStorage.upload() lets nobody read a private file's new content while it is written", async () => {
  await using served = await serveTemp();
  await Deno.writeTextFile(served.inside("a"), "old");
  await Deno.chmod(served.inside("a"), 0o600);
  const upload = await served.storage.upload(at("a"));
  await upload.write(bytes(100));
  try {
    for (const { name } of await Array.fromAsync(Deno.readDir(served.root))) {
      const { mode } = await Deno.stat(served.inside(name));
      assertEquals((mode ?? 0) & 0o077, 0, `${name} has the mode ${mode?.toString(8)}`);
    }
  } finally {
    await upload.abort();
  }
});

Deno.test("DirectoryStorage.upload() keeps times before 1970", async () => {
  await using served = await serveTemp();
  for (const mtimeMs of [-1, -999, -1000, -1500, Date.UTC(1950, 0, 1)]) {
    assertEquals((await store(served.storage, "a", "x", { mtimeMs })).mtimeMs, mtimeMs);
    assertEquals((await served.storage.stat(at("a"))).mtimeMs, mtimeMs);
  }
});

Deno.test("DirectoryStorage.upload() replaces one name of a file with two", async () => {
  await using served = await serveTemp();
  await Deno.writeTextFile(served.inside("a"), "old");
  await Deno.link(served.inside("a"), served.inside("b"));
  await store(served.storage, "a", "new");
  assertEquals([await textOf(served.storage, "a"), await textOf(served.storage, "b")], ["new", "old"]);
});

Deno.test("DirectoryReader.read() fails with Changed when the file grows, shrinks or is rewritten", async () => {
  await using served = await serveTemp();
  const changes: Record<string, (path: string) => Promise<void>> = {
    grows: (path) => Deno.writeFile(path, bytes(1), { append: true }),
    "shrinks a little": (path) => Deno.truncate(path, 99_999),
    "shrinks to less than was read": (path) => Deno.truncate(path, 10),
    "is emptied": (path) => Deno.truncate(path, 0),
    "is rewritten": (path) => Deno.writeFile(path, bytes(100_000, 9)),
  };
  for (const [what, change] of Object.entries(changes)) {
    const path = served.inside("a");
    await Deno.writeFile(path, bytes(100_000, 8));
    await age(path);
    const reader = await served.storage.read(at("a"));
    assertEquals(await reader.read(new Uint8Array(1000)), 1000);
    await change(path);
    await assertFailsWith("Changed", () => drain(reader), what);
  }
});

Deno.test("DirectoryReader.read() fails with Changed when everything was read and the end not yet asked for", async () => {
  await using served = await serveTemp();
  await Deno.writeFile(served.inside("a"), bytes(1000, 1));
  await age(served.inside("a"));
  const reader = await served.storage.read(at("a"), { length: 500 });
  assertEquals(await reader.read(new Uint8Array(1000)), 500);
  await Deno.writeFile(served.inside("a"), bytes(1000, 2));
  await assertFailsWith("Changed", () => drain(reader));
});

/** A file system's clock may be behind by a tick, which is at most this long, in ms. */
const CLOCK_TICK_MS = 20;

/** Waits until the file system's clock has reached the next multiple of `step` ms. */
function nextTick(step: number): void {
  const after = (Math.floor(Date.now() / step) + 1) * step + CLOCK_TICK_MS;
  while (Date.now() < after);
}

Deno.test("DirectoryReader.read() fails with Changed when the rewritten file's time was set back", async () => {
  await using served = await serveTemp();
  const path = served.inside("a");
  await Deno.writeFile(path, bytes(1000, 1));
  await age(path);
  const reader = await served.storage.read(at("a"));
  // The runtime gives the time of the last change of a file's metadata in whole seconds only.
  nextTick(1000);
  await Deno.writeFile(path, bytes(1000, 2));
  await age(path);
  await assertFailsWith("Changed", () => drain(reader));
});

Deno.test("DirectoryStorage.upload() gives each content another version though inodes are used again", async () => {
  await using served = await serveTemp();
  const versions = new Set<string>();
  for (let i = 0; i < 6; i++) {
    nextTick(10);
    versions.add((await store(served.storage, "a", `content ${i}`, { mtimeMs: 1_000_000_000_000 })).version);
  }
  assertEquals(versions.size, 6);
});

Deno.test("DirectoryReader.read() gives the old version to its end when the name is replaced or removed", async () => {
  await using served = await serveTemp();
  const old = bytes(300_000, 1);
  const changes = [
    async (path: string) => {
      await Deno.writeFile(served.inside("next"), bytes(300_000, 2));
      await Deno.rename(served.inside("next"), path);
    },
    (path: string) => Deno.remove(path),
  ];
  for (const [i, change] of changes.entries()) {
    const path = served.inside("a");
    await Deno.writeFile(path, old);
    await age(path);
    const reader = await served.storage.read(at("a"));
    const start = new Uint8Array(1000);
    assertEquals(await reader.read(start), 1000);
    // Losing its name changes the metadata of the file, which the runtime tells in whole seconds.
    nextTick(1000);
    await change(path);
    assert(sameBytes(concat(start, await drain(reader)), old), `change ${i}`);
  }
});

Deno.test("DirectoryUpload.commit() shows the old content or the new, never a part", async () => {
  await using served = await serveTemp();
  const [old, replacement] = [bytes(200_000, 1), bytes(300_000, 2)];
  await Deno.writeFile(served.inside("a"), old);
  await age(served.inside("a"));
  const early = await served.storage.read(at("a"));
  const start = new Uint8Array(1000);
  assertEquals(await early.read(start), 1000);
  const upload = await served.storage.upload(at("a"), { size: replacement.length });
  for (let done = 0; done < replacement.length; done += 50_000) {
    await upload.write(replacement.subarray(done, done + 50_000));
    assert(sameBytes(await Deno.readFile(served.inside("a")), old));
    assert(sameBytes(await contentOf(served.storage, "a"), old));
  }
  const late = await served.storage.read(at("a"));
  await upload.commit();
  assert(sameBytes(await Deno.readFile(served.inside("a")), replacement));
  assert(sameBytes(await contentOf(served.storage, "a"), replacement));
  // Those who were reading the old file get all of it.
  assert(sameBytes(concat(start, await drain(early)), old));
  assert(sameBytes(await drain(late), old));
});

Deno.test("DirectoryUpload.commit() never lets another thread see a part", async () => {
  await using served = await serveTemp();
  const path = served.inside("a");
  const contents = [bytes(150_000, 1), bytes(250_000, 2)] as const;
  await Deno.writeFile(path, contents[0]);
  for (let i = 1; i <= 50; i++) {
    // Asynchronous calls of the runtime run on other threads, so this one overlaps with the calls of the upload.
    const looking = Deno.readFile(path);
    await store(served.storage, "a", contents[i % 2] ?? contents[0]);
    const seen = await looking;
    assert(contents.some((content) => sameBytes(content, seen)), `${seen.length} bytes were seen`);
  }
});

Deno.test("DirectoryStorage.upload() takes names of 255 bytes and refuses what the system refuses", async () => {
  await using served = await serveTemp();
  for (const name of ["x".repeat(255), "天".repeat(85)]) {
    await store(served.storage, name, "1");
    await store(served.storage, name, "2");
    assertEquals(await textOf(served.storage, name), "2");
    assertEquals(await namesOf(served.storage), [name]);
    await served.storage.remove(at(name));
  }
  // The path alone is not too long; with the root before it, it is.
  const deep = Array.from({ length: 20 }, () => "d".repeat(199)).join("/");
  await served.storage.mkdir(at(deep), { parents: true });
  const long = at(`${deep}/${"x".repeat(96)}`);
  await assertFailsWith("InvalidPath", () => served.storage.stat(long));
  await assertFailsWith("InvalidPath", () => served.storage.upload(long));
  await assertFailsWith("InvalidPath", () => served.storage.mkdir(long));
});

Deno.test("DirectoryStorage works in deep directories with long names", async () => {
  await using served = await serveTemp();
  const deep = Array.from({ length: 100 }, () => "d".repeat(38)).join("/");
  await served.storage.mkdir(at(deep), { parents: true });
  await store(served.storage, `${deep}/天`, "deep");
  assertEquals(await textOf(served.storage, `${deep}/天`), "deep");
  const entries = await entriesOf(served.storage, "", true);
  assertEquals(entries.length, 101);
  assertEquals(entries.at(-1)?.path, `${deep}/天`);
  await served.storage.rename(at(`${deep}/天`), at("top"));
  assertEquals(await textOf(served.storage, "top"), "deep");
});

Deno.test("DirectoryStorage.list() leaves out what is too deep to be reached, and lists the rest", async () => {
  await using served = await serveTemp();
  const [first, second] = ["a", "b"].map((name) => Array.from({ length: 25 }, () => name.repeat(99)).join("/"));
  await served.storage.mkdir(at(`${first}`), { parents: true });
  await served.storage.mkdir(at(`${second}`), { parents: true });
  await store(served.storage, "z", "z");
  await Deno.rename(served.inside("b".repeat(99)), served.inside(`${first}/b`));
  const names = await namesOf(served.storage, "", true);
  assertEquals(names.at(-1), "z");
  assertGreater(names.length, 26);
});

testPermission("DirectoryStorage answers Refused where the system does not permit", async () => {
  await using served = await serveTemp();
  await Deno.mkdir(served.inside("d"));
  await Deno.writeTextFile(served.inside("d/a"), "x");
  await Deno.writeTextFile(served.inside("closed"), "x");
  await Deno.chmod(served.inside("closed"), 0o000);
  await assertFailsWith("Refused", () => served.storage.read(at("closed")));
  await Deno.chmod(served.inside("d"), 0o500);
  await assertFailsWith("Refused", () => served.storage.upload(at("d/b")));
  await assertFailsWith("Refused", () => served.storage.mkdir(at("d/b")));
  await assertFailsWith("Refused", () => served.storage.remove(at("d/a")));
  await Deno.chmod(served.inside("d"), 0o000);
  await assertFailsWith("Refused", () => namesOf(served.storage, "d"));
  assertEquals(await namesOf(served.storage, "", true), ["closed", "d"]);
  await Deno.chmod(served.inside("d"), 0o700);
});

Deno.test("DirectoryStorage gives nothing of the server's paths away in its errors", async () => {
  await using served = await serveTemp();
  await Deno.writeTextFile(served.inside("file"), "x");
  await served.storage.mkdir(at("d/e"), { parents: true });
  const failures = [
    () => served.storage.stat(at("missing")),
    () => served.storage.read(at("d")),
    () => served.storage.upload(at("file/x")),
    () => served.storage.remove(at("d")),
    () => served.storage.rename(at("d"), at("d/e/f")),
    () => served.storage.mkdir(at("missing/d")),
    () => namesOf(served.storage, "file"),
  ];
  for (const failure of failures) {
    const error: unknown = await failure().then(() => undefined, (error) => error);
    assert(error instanceof Error);
    assertFalse(error.message.includes(served.root), error.message);
  }
});
