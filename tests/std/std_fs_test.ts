import { assert, assertEquals, assertGreater, assertInstanceOf, assertLess, assertRejects } from "@std/assert";
import { copy } from "@std/fs/copy";
import { ensureDir } from "../../std/fs/ensure_dir.ts";
import { walk, type WalkOptions } from "@std/fs/walk";
import { join, relative, toFileUrl } from "@std/path";

const isWindows = Deno.build.os === "windows";

/** A directory that is removed at the end of its scope. */
class TempDir implements AsyncDisposable {
  private constructor(readonly path: string) {}

  /** Creates a directory that holds `files`; a name that ends with `/` is a directory. */
  static async with(...files: string[]): Promise<TempDir> {
    // The real path, because a followed symlink is yielded under its real path.
    const dir = new TempDir(await Deno.realPath(await Deno.makeTempDir({ prefix: "ferry-std-fs-" })));
    for (const file of files) {
      const isDirectory = file.endsWith("/");
      await Deno.mkdir(dir.join(isDirectory ? file : join(file, "..")), { recursive: true });
      if (!isDirectory) await Deno.writeTextFile(dir.join(file), file);
    }
    return dir;
  }

  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** What `walk()` finds in `dir`, as sorted relative paths. */
async function walked(dir: TempDir, options?: WalkOptions, root = dir.path): Promise<string[]> {
  const entries = await Array.fromAsync(walk(root, options));
  return entries.map((entry) => relative(dir.path, entry.path) || ".").sort();
}

Deno.test("ensureDir() creates a directory and its parents", async () => {
  await using dir = await TempDir.with();
  await ensureDir(dir.join("a", "b"));
  assert((await Deno.stat(dir.join("a", "b"))).isDirectory);
});

Deno.test("ensureDir() leaves an existing directory as it is", async () => {
  await using dir = await TempDir.with("a/x");
  await ensureDir(toFileUrl(dir.join("a")));
  assertEquals(await Deno.readTextFile(dir.join("a", "x")), "a/x");
});

Deno.test("ensureDir() rejects a file", async () => {
  await using dir = await TempDir.with("a");
  await assertRejects(() => ensureDir(dir.join("a")), Error, "expected 'dir', got 'file'");
});

Deno.test({
  name: "ensureDir() accepts a symlink to a directory, and gives the error of stat for one that leads nowhere",
  ignore: isWindows,
  fn: async () => {
    await using dir = await TempDir.with("real/");
    await Deno.symlink("real", dir.join("good"));
    await Deno.symlink("gone", dir.join("bad"));
    await ensureDir(dir.join("good"));
    assert((await Deno.lstat(dir.join("good"))).isSymlink);
    await assertRejects(() => ensureDir(dir.join("bad")), Deno.errors.NotFound);
    assert((await Deno.lstat(dir.join("bad"))).isSymlink);
  },
});

Deno.test({
  name: "ensureDir() has no word for what is neither file nor directory",
  ignore: isWindows,
  fn: async () => {
    await assertRejects(() => ensureDir("/dev/null"), Error, "expected 'dir', got 'undefined'");
  },
});

Deno.test("walk() yields the root and everything below it, parents first", async () => {
  await using dir = await TempDir.with("a/b/c.txt", "d.txt", "e/");
  assertEquals(await walked(dir), [".", "a", join("a", "b"), join("a", "b", "c.txt"), "d.txt", "e"]);
  const paths = (await Array.fromAsync(walk(toFileUrl(dir.path)))).map((entry) => entry.path);
  assertEquals(paths[0], dir.path);
  assertLess(paths.indexOf(dir.join("a")), paths.indexOf(dir.join("a", "b")));
});

Deno.test("walk() says what an entry is", async () => {
  await using dir = await TempDir.with("a/x");
  const entries = await Array.fromAsync(walk(dir.join("a")));
  assertEquals(entries, [
    { path: dir.join("a"), name: "a", isFile: false, isDirectory: true, isSymlink: false },
    { path: dir.join("a", "x"), name: "x", isFile: true, isDirectory: false, isSymlink: false },
  ]);
});

Deno.test("walk() stops at maxDepth", async () => {
  await using dir = await TempDir.with("a/b/c");
  assertEquals(await walked(dir, { maxDepth: -1 }), []);
  assertEquals(await walked(dir, { maxDepth: 0 }), ["."]);
  assertEquals(await walked(dir, { maxDepth: 1 }), [".", "a"]);
  assertEquals(await walked(dir, { maxDepth: 2 }), [".", "a", join("a", "b")]);
});

Deno.test("walk() leaves out files or directories", async () => {
  await using dir = await TempDir.with("a/b");
  assertEquals(await walked(dir, { includeFiles: false }), [".", "a"]);
  assertEquals(await walked(dir, { includeDirs: false }), [join("a", "b")]);
});

Deno.test("walk() filters by extension with and without a dot", async () => {
  await using dir = await TempDir.with("a.ts", "b.js", "c.rs", "sub/d.ts", "xts");
  const expected = ["a.ts", "c.rs", join("sub", "d.ts")];
  assertEquals(await walked(dir, { exts: [".ts", "rs"] }), expected);
  assertEquals(await walked(dir, { exts: [] }), []);
});

Deno.test("walk() filters by match, also inside directories that do not match", async () => {
  await using dir = await TempDir.with("a/wanted", "wanted", "z");
  assertEquals(await walked(dir, { match: [/wanted$/g, /z$/] }), [join("a", "wanted"), "wanted", "z"]);
});

Deno.test("walk() neither yields nor enters what it skips", async () => {
  await using dir = await TempDir.with("keep/x", "skip/x", "y");
  assertEquals(await walked(dir, { skip: [/skip/] }), [".", "keep", join("keep", "x"), "y"]);
});

Deno.test("walk() rejects when the root is missing", async () => {
  await using dir = await TempDir.with();
  await assertRejects(() => walked(dir, {}, dir.join("missing")), Deno.errors.NotFound);
});

Deno.test({
  name: "walk() yields symlinks without following them",
  ignore: isWindows,
  fn: async () => {
    await using dir = await TempDir.with("a/x");
    await Deno.symlink("a", dir.join("link"));
    assertEquals(await walked(dir), [".", "a", join("a", "x"), "link"]);
    assertEquals(await walked(dir, { includeSymlinks: false }), [".", "a", join("a", "x")]);
    const link = (await Array.fromAsync(walk(dir.path))).find((entry) => entry.name === "link");
    assertEquals(link?.isSymlink, true);
  },
});

Deno.test({
  name: "walk() follows symlinks, and everything below them is under their real path",
  ignore: isWindows,
  fn: async () => {
    await using outside = await TempDir.with("d/e/x", "f");
    await using dir = await TempDir.with("sub/");
    await Deno.symlink(outside.join("d"), dir.join("sub", "d"));
    await Deno.symlink(outside.join("f"), dir.join("sub", "g"));
    const entries = await Array.fromAsync(walk(dir.join("sub"), { followSymlinks: true }));
    assertEquals(
      entries.sort((a, b) => a.path < b.path ? -1 : 1).filter(({ path }) => path !== dir.join("sub")),
      [
        { path: outside.join("d"), name: "d", isFile: false, isDirectory: true, isSymlink: false },
        { path: outside.join("d", "e"), name: "e", isFile: false, isDirectory: true, isSymlink: false },
        { path: outside.join("d", "e", "x"), name: "x", isFile: true, isDirectory: false, isSymlink: false },
        // A followed file keeps the name and the kind of its link.
        { path: outside.join("f"), name: "g", isFile: false, isDirectory: false, isSymlink: true },
      ],
    );
  },
});

Deno.test({
  name: "walk() without canonicalize leaves the symlinks of the root under their own path, and no deeper ones",
  ignore: isWindows,
  fn: async () => {
    await using outside = await TempDir.with("d/x", "f");
    await using dir = await TempDir.with("sub/");
    await Deno.symlink(outside.join("d"), dir.join("d"));
    await Deno.symlink(outside.join("f"), dir.join("sub", "f"));
    await Deno.symlink(outside.join("f"), outside.join("d", "deeper"));
    const options = { followSymlinks: true, canonicalize: false, includeDirs: false };
    const entries = await Array.fromAsync(walk(dir.path, options));
    assertEquals(
      entries.map(({ path }) => path).sort(),
      [dir.join("d", "x"), outside.join("f"), outside.join("f")].sort(),
    );
  },
});

Deno.test({
  name: "walk() rejects when a symlink that it follows leads nowhere",
  ignore: isWindows,
  fn: async () => {
    await using dir = await TempDir.with();
    await Deno.symlink("gone", dir.join("bad"));
    await assertRejects(() => walked(dir, { followSymlinks: true }), Deno.errors.NotFound);
  },
});

Deno.test("copy() copies a file", async () => {
  await using dir = await TempDir.with("a");
  await copy(toFileUrl(dir.join("a")), dir.join("b"));
  assertEquals(await Deno.readTextFile(dir.join("b")), "a");
});

Deno.test("copy() copies a directory with everything in it", async () => {
  await using dir = await TempDir.with("a/x", "a/b/y", "a/empty/");
  await copy(dir.join("a"), dir.join("new", "c"));
  const below = (name: string) => join("new", "c", name);
  assertEquals(await walked(dir, {}, dir.join("new", "c")), [
    join("new", "c"),
    below("b"),
    below(join("b", "y")),
    below("empty"),
    below("x"),
  ]);
  assertEquals(await Deno.readTextFile(dir.join("new", "c", "b", "y")), "a/b/y");
});

Deno.test("copy() overwrites only on demand", async () => {
  await using dir = await TempDir.with("a/x", "b/x", "b/y");
  await assertRejects(() => copy(dir.join("a", "x"), dir.join("b", "x")), Deno.errors.AlreadyExists);
  await assertRejects(() => copy(dir.join("a"), dir.join("b")), Deno.errors.AlreadyExists);
  assertEquals(await Deno.readTextFile(dir.join("b", "x")), "b/x");
  await copy(dir.join("a"), dir.join("b"), { overwrite: true });
  assertEquals(await Deno.readTextFile(dir.join("b", "x")), "a/x");
  assertEquals(await Deno.readTextFile(dir.join("b", "y")), "b/y");
});

Deno.test("copy() does not replace a file with a directory", async () => {
  await using dir = await TempDir.with("a/x", "b");
  const error = await assertRejects(() => copy(dir.join("a"), dir.join("b"), { overwrite: true }), Error);
  assertInstanceOf(error, Error);
  assert(error.message.startsWith("Cannot overwrite non-directory"), error.message);
  assertEquals(await Deno.readTextFile(dir.join("b")), "b");
});

Deno.test("copy() rejects the same path, a path inside the source and a missing source", async () => {
  await using dir = await TempDir.with("a/x");
  await assertRejects(() => copy(dir.join("a"), dir.join("a", ".")), Error, "cannot be the same");
  await assertRejects(() => copy(dir.join("a"), dir.join("a", "b")), Error, "subdirectory of itself");
  await assertRejects(() => copy(dir.join("missing"), dir.join("b")), Deno.errors.NotFound);
  await copy(dir.join("a"), dir.join("ab"));
  assertEquals(await walked(dir), [".", "a", join("a", "x"), "ab", join("ab", "x")]);
});

Deno.test("copy() preserves times on demand", async () => {
  await using dir = await TempDir.with("a/x");
  const past = new Date("2001-02-03T04:05:06Z");
  await Deno.utime(dir.join("a", "x"), past, past);
  await copy(dir.join("a"), dir.join("b"), { preserveTimestamps: true });
  await copy(dir.join("a"), dir.join("c"));
  assertEquals((await Deno.stat(dir.join("b", "x"))).mtime, past);
  assertGreater((await Deno.stat(dir.join("c", "x"))).mtime, past);
});

Deno.test({
  name: "copy() copies a symlink as a symlink",
  ignore: isWindows,
  fn: async () => {
    await using dir = await TempDir.with("a/x");
    await Deno.symlink("x", dir.join("a", "link"));
    await copy(dir.join("a"), dir.join("b"));
    await copy(dir.join("a", "link"), dir.join("b", "again"));
    assertEquals(await Deno.readLink(dir.join("b", "link")), "x");
    assertEquals(await Deno.readLink(dir.join("b", "again")), "x");
  },
});
