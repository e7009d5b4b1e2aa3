import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseRemotePath, RESERVED_PREFIX } from "../../../lib/core/remote_path.ts";
import { DirectoryStorage } from "../../../lib/storage/directory/directory_storage.ts";
import { assertFailsWith, assertThrowsCode } from "../../helpers/failures.ts";
import { sameBytes } from "../../helpers/frames.ts";
import { UploadHolder } from "../../helpers/other_process.ts";
import { bytes } from "../../helpers/random.ts";
import { serveTemp } from "../../helpers/served.ts";
import { at, contentOf, entriesOf, namesOf, namesOnDisk, store, textOf } from "../../helpers/storage.ts";

/** Makes a FIFO; gives false, and says so, where there is no program for it. */
async function makeFifo(path: string): Promise<boolean> {
  try {
    return (await new Deno.Command("mkfifo", { args: [path] }).output()).success;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("skipped: there is no mkfifo here");
    return false;
  }
}

/** Fails unless `name` is listed as what it is, and refused everywhere else. Opening a FIFO would never end. */
async function assertNotAFile(storage: DirectoryStorage, name: string, reason: string): Promise<void> {
  await assertFailsWith("NotAFile", () => storage.stat(at(name)), name);
  await assertFailsWith("NotAFile", () => storage.read(at(name)), name);
  await assertFailsWith("NotAFile", () => storage.digest(at(name)), name);
  await assertFailsWith("NotAFile", () => storage.upload(at(name)), name);
  await assertFailsWith("NotAFile", () => namesOf(storage, name), name);
  await assertFailsWith("NotAFile", () => storage.mkdir(at(name), { parents: true }), name);
  await assertFailsWith("NotAFile", () => storage.setMetadata(at(name), { mtimeMs: 0, mode: 0o777 }), name);
  for (const recursive of [false, true]) {
    const [file, other, ...rest] = (await entriesOf(storage, "", recursive)).sort((a, b) => a.kind < b.kind ? -1 : 1);
    assertEquals([file?.path, rest], ["file", []]);
    const { mtimeMs: _, ...shown } = other ?? {};
    assertEquals(shown, { path: name, kind: "other", size: 0, reason });
  }
}

Deno.test("DirectoryStorage never opens a FIFO", async () => {
  await using served = await serveTemp();
  await store(served.storage, "file", "x");
  if (!await makeFifo(served.inside("fifo"))) return;
  await assertNotAFile(served.storage, "fifo", "a pipe");
  await Deno.symlink("fifo", served.inside("link"));
  await assertFailsWith("NotFound", () => served.storage.read(at("link")));
  await assertFailsWith("AlreadyExists", () => served.storage.upload(at("link")));
  assertEquals((await entriesOf(served.storage)).map(({ path, reason }) => [path, reason]), [
    ["fifo", "a pipe"],
    ["file", undefined],
    ["link", "a link that leads nowhere, out of the directory, or to a special file"],
  ]);
});

Deno.test({
  name: "DirectoryStorage.remove() ends, and says why, at names that are not UTF-8",
  // Elsewhere the system allows no such names.
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using served = await serveTemp();
    await served.storage.mkdir(at("d/below"), { parents: true });
    await store(served.storage, "d/below/good", "x");
    const script = `mkdir "$1/bad$(printf '\\377')"; touch "$1/below/bad$(printf '\\376')"`;
    const { success } = await new Deno.Command("sh", { args: ["-c", script, "sh", served.inside("d")] }).output();
    assert(success);
    const { message } = await assertFailsWith("NotEmpty", () => served.storage.remove(at("d"), { recursive: true }));
    assertMatch(message, /not UTF-8/);
    assertEquals(namesOnDisk(served.inside("d")).includes("below"), true);
    assertEquals(namesOnDisk(served.inside("d/below")).includes("good"), false);
  },
});

Deno.test("DirectoryStorage never opens a socket", async () => {
  await using served = await serveTemp();
  await store(served.storage, "file", "x");
  const listener = Deno.listen({ transport: "unix", path: served.inside("socket") });
  try {
    await assertNotAFile(served.storage, "socket", "a socket");
  } finally {
    listener.close();
  }
});

Deno.test("DirectoryStorage.upload() does not open a FIFO in the place of its partial file", async () => {
  await using served = await serveTemp();
  const upload = await served.storage.upload(at("a"));
  const [partial = ""] = namesOnDisk(served.root);
  await upload.abort();
  if (!await makeFifo(served.inside(partial))) return;
  await assertFailsWith("Refused", () => served.storage.upload(at("a")));
  await Deno.remove(served.inside(partial));
  await Deno.symlink("../root-outside/secret.txt", served.inside(partial));
  await assertFailsWith("Refused", () => served.storage.upload(at("a")));
  await Deno.remove(served.inside(partial));
  await Deno.symlink("../root-outside/new.txt", served.inside(partial));
  await assertFailsWith("Refused", () => served.storage.upload(at("a")));
  assertEquals(namesOnDisk(served.outside()), ["d", "secret.txt"]);
});

Deno.test("DirectoryStorage.upload() writes into a hidden file beside the target, which nobody can name", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  const upload = await storage.upload(at("d/a"));
  await upload.write(new TextEncoder().encode("secret so far"));
  const [partial = "", ...others] = namesOnDisk(inside("d"));
  assertEquals(others, []);
  assertMatch(partial, /^\.ferry-[0-9a-f]{16}\.part$/);
  assertEquals(await namesOf(storage, "", true), ["d"]);
  assertEquals(await namesOf(storage, "d"), []);
  for (const name of [partial, partial.toUpperCase(), `d/${partial}`]) {
    assertThrowsCode("InvalidPath", () => parseRemotePath(name), name);
  }
  await Deno.symlink(`d/${partial}`, inside("link"));
  await assertFailsWith("NotFound", () => storage.read(at("link")));
  await assertFailsWith("NotFound", () => storage.stat(at("link")));
  await assertFailsWith("AlreadyExists", () => storage.upload(at("link")));
  await upload.commit();
  assertEquals(namesOnDisk(inside("d")), ["a"]);
});

Deno.test("DirectoryStorage hides a reserved directory also behind a link to it", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await Deno.mkdir(inside(`${RESERVED_PREFIX}x`));
  await Deno.writeTextFile(inside(`${RESERVED_PREFIX}x`, "file"), "x");
  await Deno.symlink(`${RESERVED_PREFIX}x`, inside("link"));
  await Deno.symlink("nowhere", inside("dangling"));
  assertEquals((await entriesOf(storage)).map(({ path, kind, reason }) => [path, kind, reason]), [
    ["dangling", "other", "a link that leads nowhere, out of the directory, or to a special file"],
    ["link", "other", "a link that leads nowhere, out of the directory, or to a special file"],
  ]);
  await assertFailsWith("NotFound", () => storage.stat(at("link")));
  await assertFailsWith("NotFound", () => storage.stat(at("link/file")));
  await assertFailsWith("NotFound", () => storage.read(at("link/file")));
  await assertFailsWith("NotADirectory", () => storage.upload(at("link/new")));
});

Deno.test("DirectoryStorage.upload() leaves nothing visible but the file", async () => {
  await using served = await serveTemp();
  const { storage, root } = served;
  const empty = await storage.upload(at("a"));
  await empty.abort();
  assertEquals(namesOnDisk(root), []);
  const aborted = await storage.upload(at("a"));
  await aborted.write(bytes(1000));
  await aborted.abort();
  const short = await storage.upload(at("b"), { size: 5 });
  await assertFailsWith("BadRequest", () => short.commit());
  await short.abort();
  assertEquals(namesOnDisk(root).filter((name) => !name.startsWith(RESERVED_PREFIX)), []);
  await store(storage, "a", "x");
  await store(storage, "b", "x");
  assertEquals(namesOnDisk(root), ["a", "b"]);
});

Deno.test("DirectoryStorage.upload() starts anew over what a crash left behind", async () => {
  await using served = await serveTemp();
  const { storage, root, inside } = served;
  const upload = await storage.upload(at("a"));
  const [partial = ""] = namesOnDisk(root);
  await upload.abort();
  await Deno.writeFile(inside(partial), bytes(100_000));
  assertEquals(await namesOf(storage), []);
  await store(storage, "a", "new");
  assertEquals([await textOf(storage, "a"), namesOnDisk(root)], ["new", ["a"]]);
});

Deno.test("DirectoryStorage.upload() says Busy to a second writer, whatever storage it comes from", async () => {
  await using served = await serveTemp();
  const upload = await served.storage.upload(at("a"));
  const second = DirectoryStorage.open(served.root);
  await assertFailsWith("Busy", () => second.upload(at("a")));
  await upload.write(new TextEncoder().encode("first"));
  await assertFailsWith("Busy", () => second.upload(at("a")));
  await upload.commit();
  assertEquals(await textOf(second, "a"), "first");
  await store(second, "a", "second");
  assertEquals(await textOf(served.storage, "a"), "second");
});

Deno.test("DirectoryStorage.upload() says Busy while another process writes, and a crash of it frees the file", async () => {
  await using served = await serveTemp();
  const { storage, root } = served;
  await store(storage, "a", "old");
  await using holder = await UploadHolder.start(root, "a");
  await assertFailsWith("Busy", () => storage.upload(at("a")));
  await store(storage, "b", "others go on");
  await holder.kill();
  assertEquals(namesOnDisk(root).length, 3, "the partial file of the crashed process should still be there");
  assertEquals(await namesOf(storage), ["a", "b"]);
  assertEquals(await textOf(storage, "a"), "old");
  await store(storage, "a", "new");
  assertEquals([await textOf(storage, "a"), namesOnDisk(root)], ["new", ["a", "b"]]);
});

Deno.test("DirectoryUpload.commit() refuses a partial file that others have changed or removed", async () => {
  await using served = await serveTemp();
  const { storage, root, inside } = served;
  await store(storage, "a", "old");
  const changes: ((partial: string) => Promise<void>)[] = [
    (partial) => Deno.writeFile(partial, bytes(10), { append: true }),
    (partial) => Deno.truncate(partial, 1),
    (partial) => Deno.remove(partial),
  ];
  for (const change of changes) {
    const upload = await storage.upload(at("a"));
    await upload.write(bytes(100));
    const partial = namesOnDisk(root).find((name) => name.startsWith(RESERVED_PREFIX));
    assert(partial);
    await change(inside(partial));
    const error: unknown = await upload.commit().then(() => undefined, (error) => error);
    assert(error instanceof Error, "the commit succeeded");
    await upload.abort();
    assertEquals([await textOf(storage, "a"), await namesOf(storage)], ["old", ["a"]]);
  }
});

Deno.test("DirectoryUpload.commit() puts no other file in place when its partial file was exchanged", async () => {
  await using served = await serveTemp();
  const { storage, root, inside } = served;
  await store(storage, "a", "old");
  const upload = await storage.upload(at("a"));
  const content = bytes(100, 1);
  await upload.write(content);
  const partial = namesOnDisk(root).find((name) => name.startsWith(RESERVED_PREFIX));
  assert(partial);
  await Deno.remove(inside(partial));
  await Deno.writeFile(inside(partial), bytes(100, 2));
  const failed = await upload.commit().then(() => false, () => true);
  await upload.abort();
  assert(failed || sameBytes(await contentOf(storage, "a"), content), "another file was put in place");
});

Deno.test("DirectoryUpload.commit() does not put another upload's half file in place after directories were renamed", async () => {
  await using served = await serveTemp();
  const { storage } = served;
  await storage.mkdir(at("d"));
  const first = await storage.upload(at("d/a"), { size: 5 });
  await first.write(new TextEncoder().encode("first"));
  await storage.rename(at("d"), at("moved"));
  await storage.mkdir(at("d"));
  const second = await storage.upload(at("d/a"), { size: 100 });
  await second.write(new TextEncoder().encode("half of the second"));
  const error: unknown = await first.commit().then(() => undefined, (error) => error);
  await first.abort();
  assertEquals(await namesOf(storage, "d"), []);
  assert(error instanceof Error, "the commit succeeded");
  await second.write(new Uint8Array(82));
  assertEquals((await second.commit()).size, 100);
});
