import { setImmediate } from "node:timers/promises";
import { assertEquals } from "@std/assert";
import { connect, serve } from "../../../lib/mod.ts";
import { temporaryName } from "../../../lib/storage/directory/temporary_file.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";
import { depthOf, makeDeep } from "../../helpers/deep.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { UploadHolder } from "../../helpers/other_process.ts";
import { serveTemp } from "../../helpers/served.ts";
import { at, entriesOf, namesOf, namesOnDisk, store } from "../../helpers/storage.ts";

const chain = (length: number, name = "d") => Array.from({ length }, () => name).join("/");

/** How deep, by names, and of which names: many short ones are hard for the stack, long ones for paths. */
const DEEP: readonly (readonly [names: number, name: string])[] = [[12_000, "d"], [400, "n".repeat(250)], [129, "d"]];

for (const [names, name] of DEEP) {
  Deno.test(`DirectoryStorage.remove() removes ${names} directories of ${name.length} bytes in each other`, async () => {
    await using served = await serveTemp();
    makeDeep(served.inside("top"), names, name);
    Deno.writeTextFileSync(served.inside("top", name, "file"), "x");
    await store(served.storage, "stays", "x");
    await served.storage.remove(at("top"), { recursive: true });
    assertEquals(namesOnDisk(served.root), ["stays"]);
  });
}

Deno.test("DirectoryStorage.remove() removes what is deep in a directory whose own path is nearly too long", async () => {
  await using served = await serveTemp();
  const above = chain(14, "n".repeat(250));
  Deno.mkdirSync(served.inside(above), { recursive: true });
  makeDeep(served.inside("top"), 200, "m".repeat(200));
  const top = `${above}/${"t".repeat(200)}`;
  Deno.renameSync(served.inside("top"), served.inside(top));
  await served.storage.remove(at(top), { recursive: true });
  assertEquals(namesOnDisk(served.inside(above)), []);
  assertEquals(namesOnDisk(served.root), ["n".repeat(250)]);
});

Deno.test("DirectoryStorage.remove() that is aborted stops, and leaves nothing that a second one does not remove", async () => {
  await using served = await serveTemp();
  makeDeep(served.inside("top"), 2000);
  const abort = new AbortController();
  const removing = served.storage.remove(at("top"), { recursive: true, signal: abort.signal });
  await setImmediate();
  abort.abort();
  await assertFailsWith("Cancelled", () => removing);
  assertEquals(await namesOf(served.storage), ["top"]);
  await served.storage.remove(at("top"), { recursive: true });
  assertEquals(namesOnDisk(served.root), []);
});

Deno.test("a server survives that directories are moved into each other and removed", async () => {
  await using served = await serveTemp();
  await using server = serve({ root: served.root, port: 0 });
  await using client = await connect(server.address);
  let refused = 0;
  await client.mkdir(chain(128, "a"), { parents: true });
  for (let i = 0; i < 20; i++) {
    await client.mkdir(chain(128, "b"), { parents: true });
    await client.rename("a", `${chain(128, "b")}/a`).catch(() => refused++);
    await client.rename("a", `${chain(64, "b")}/a`).catch(() => refused++);
    await client.remove("b", { recursive: true });
  }
  assertEquals(refused, 40);
  await client.remove("a", { recursive: true });
  assertEquals(namesOnDisk(served.root), []);
});

Deno.test("DirectoryStorage.rename() moves nothing deeper than the limit, nor where its path is too long", async () => {
  await using served = await serveTemp();
  const { storage } = served;
  await storage.mkdir(at("a/b/c"), { parents: true });
  await store(storage, "a/b/c/file", "x");
  await storage.mkdir(at("x/y"), { parents: true });
  const words = "what is in it would be more than 5 directories deep, which is this server's limit";
  const { message } = await assertFailsWith("InvalidPath", () => storage.rename(at("a"), at("x/y/a"), { maxDepth: 5 }));
  assertEquals(message, words);
  await storage.rename(at("a"), at("x/y/a"), { maxDepth: 6 });
  await assertFailsWith("InvalidPath", () => storage.rename(at("x/y/a/b/c/file"), at("f"), { maxDepth: 0 }));
  // What does not get deeper may be moved however deep it is.
  await storage.rename(at("x"), at("z"), { maxDepth: 2 });
  await storage.rename(at("z/y/a/b"), at("b"), { maxDepth: 2 });
  assertEquals(await namesOf(storage, "", true), ["b", "b/c", "b/c/file", "z", "z/y", "z/y/a"]);

  const [first, second] = ["1", "2"].map((name) => chain(21, name.repeat(100))) as [string, string];
  for (const path of [first, second]) await storage.mkdir(at(path), { parents: true });
  await assertFailsWith("InvalidPath", () => storage.rename(at("2".repeat(100)), at(`${first}/2`)));
  await storage.rename(at("2".repeat(100)), at(`${"1".repeat(100)}/2`));
});

Deno.test("DirectoryStorage.rename() heeds what is made in a directory while it is measured", async () => {
  await using served = await serveTemp();
  const { storage } = served;
  await storage.mkdir(at("a"));
  for (let i = 0; i < 500; i++) Deno.mkdirSync(served.inside("a", `${i}`));
  await storage.mkdir(at("x/y"), { parents: true });
  const moving = storage.rename(at("a"), at("x/y/a"), { maxDepth: 6 });
  const outcome = moving.then(() => "moved", (error) => error.code);
  await setImmediate();
  await storage.mkdir(at("a/0/b/c/d/e"), { parents: true });
  assertEquals(await outcome, "InvalidPath");
  await storage.remove(at("a/0"), { recursive: true });

  const busy = storage.rename(at("a"), at("x/y/a"), { maxDepth: 6 }).then(() => "moved", (error) => error.code);
  let running = true;
  const adding = (async () => {
    for (let i = 0; running; i++) {
      await store(storage, `a/1/f${i}`, "").catch(() => {});
      await setImmediate();
    }
  })();
  assertEquals(await busy, "Busy");
  running = false;
  await adding;
  await storage.rename(at("a"), at("x/y/a"), { maxDepth: 6 });
});

Deno.test("DirectoryStorage.mkdir() and upload() make nothing deeper than the limit, also through links", async () => {
  await using served = await serveTemp();
  const { storage } = served;
  await storage.mkdir(at("a/b/c"), { parents: true, maxDepth: 3 });
  Deno.symlinkSync("a/b/c", served.inside("link"));
  const options = { parents: true, maxDepth: 3 };
  await assertFailsWith("InvalidPath", () => storage.mkdir(at("link/d"), options));
  await assertFailsWith("InvalidPath", () => storage.mkdir(at("link/d"), { maxDepth: 3 }));
  await assertFailsWith("InvalidPath", () => storage.mkdir(at("n/n/n/n"), options));
  await assertFailsWith("InvalidPath", () => storage.upload(at("link/f"), { maxDepth: 3 }));
  await storage.mkdir(at("link"), options);
  assertEquals(await namesOf(storage, "", true), ["a", "a/b", "a/b/c", "link"]);
});

Deno.test("DirectoryStorage reads and removes what is deeper than what it makes", async () => {
  await using served = await serveTemp();
  const { storage } = served;
  makeDeep(served.inside("top"), 1000);
  const deep = `top/${chain(1000)}`;
  await store(storage, `${deep}/file`, "deep");
  assertEquals((await storage.stat(at(`${deep}/file`))).size, 4);
  assertEquals((await entriesOf(storage, deep)).length, 1);
  await storage.rename(at(`${deep}/file`), at("file"), { maxDepth: 128 });
  await storage.remove(at(deep));
  assertEquals(depthOf(served.inside("top")), 999);
});

// What clients do not see

Deno.test("DirectoryStorage.remove() removes a directory with partial files that nobody writes", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  for (const name of ["a", "b"]) Deno.writeTextFileSync(inside("d", temporaryName(name)), "x");
  Deno.mkdirSync(inside("d", ".ferry-0123456789abcdef.removed", "1", "x"), { recursive: true });
  await store(storage, "d/file", "x");
  await assertFailsWith("NotEmpty", () => storage.remove(at("d")));
  assertEquals(namesOnDisk(inside("d")).length, 4);
  await storage.remove(at("d/file"));
  await storage.remove(at("d"));
  assertEquals(namesOnDisk(served.root), []);
});

Deno.test("DirectoryStorage.remove() says Busy for a directory into which somebody uploads, and loses nothing", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("d"));
  for (let i = 0; i < 5; i++) Deno.writeTextFileSync(inside("d", temporaryName(`old${i}`)), "x");
  {
    await using _holder = await UploadHolder.start(served.root, "d/file");
    const { message } = await assertFailsWith("Busy", () => storage.remove(at("d")));
    assertEquals(message, "a file is being uploaded into it; try again later");
    assertEquals(namesOnDisk(inside("d")).length, 6);
    await storage.remove(at("d"), { recursive: true });
    assertEquals(namesOnDisk(served.root), []);
  }
});

Deno.test("DirectoryStorage.sweep() removes what an interrupted removal has left a week ago", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  for (const [name, days] of [["0123456789abcdef", 8], ["fedcba9876543210", 6]] as const) {
    const aside = inside(`.ferry-${name}.removed`);
    makeDeep(`${aside}-1`, 3000);
    Deno.mkdirSync(aside);
    Deno.renameSync(`${aside}-1`, `${aside}/1`);
    const time = new Date(Date.now() - days * 24 * 3600 * 1000);
    Deno.utimeSync(aside, time, time);
  }
  await storage.sweep(ROOT, { recursive: true });
  assertEquals(namesOnDisk(served.root), [".ferry-fedcba9876543210.removed"]);
});
