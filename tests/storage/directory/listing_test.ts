import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { makeDeep } from "../../helpers/deep.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { freeBytes } from "../../helpers/hog.ts";
import { serveTemp } from "../../helpers/served.ts";
import { at, entriesOf, namesOnDisk, store } from "../../helpers/storage.ts";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { compareUtf8, listingKey } from "../../../lib/core/listing_order.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";
import { makeFiles } from "../../helpers/many_files.ts";

Deno.test("DirectoryStorage.list() gives back the memory for names at its end, also when it is left early", async () => {
  await using served = await serveTemp();
  makeFiles(served.inside("d/e"), 8000);
  const before = freeBytes();
  const held: number[] = [];
  for await (const { kind } of served.storage.list(at("d"), { recursive: true })) {
    if (kind === "directory") continue;
    held.push(before - freeBytes());
    break;
  }
  assertGreater(held[0] ?? 0, 100_000);
  assertEquals(freeBytes(), before);
  await entriesOf(served.storage, "", true);
  assertEquals(freeBytes(), before);
  const abort = new AbortController();
  const listing = Array.fromAsync(served.storage.list(at("d/e"), { signal: abort.signal }));
  await setImmediate();
  abort.abort();
  await assertFailsWith("Cancelled", () => listing);
  assertEquals(freeBytes(), before);
});

Deno.test("DirectoryStorage.list() lists as deep as paths can be opened, and marks what has deeper things in it", async () => {
  await using served = await serveTemp();
  makeDeep(served.inside("top"), 600, "123456789");
  const entries = await entriesOf(served.storage, "", true);
  const marked = entries.filter(({ unreadable }) => unreadable);
  assertEquals(marked.map(({ path }) => path), [entries.at(-1)?.path]);
  const deepest = `${served.root}/${entries.at(-1)?.path}`;
  // One more of these names would make it longer than the system takes.
  assert(deepest.length <= 4095 && deepest.length + 10 > 4095, `${deepest.length}`);
  await assertFailsWith("InvalidPath", () => entriesOf(served.storage, entries.at(-1)?.path));
});

Deno.test("DirectoryStorage.list() marks a directory with a name that is too long there, and lists the others", async () => {
  await using served = await serveTemp();
  const deep = Array.from({ length: 19 }, () => "d".repeat(200)).join("/");
  Deno.mkdirSync(served.inside(deep), { recursive: true });
  Deno.writeTextFileSync(served.inside(deep, "short"), "x");
  // Made where its path is short, and moved.
  Deno.mkdirSync(served.inside("e"));
  Deno.writeTextFileSync(served.inside("e", "l".repeat(255)), "x");
  Deno.renameSync(served.inside("e"), served.inside(deep, "e"));
  const entries = await entriesOf(served.storage, "", true);
  assertEquals(entries.filter(({ unreadable }) => unreadable).map(({ path }) => path), [`${deep}/e`]);
  assertEquals(entries.at(-1)?.path, `${deep}/short`);
  await assertFailsWith("InvalidPath", () => entriesOf(served.storage, `${deep}/e`));
});

Deno.test(
  "DirectoryStorage.list() puts links where what they lead to belongs, however many there are",
  NOT_ON_WINDOWS,
  async () => {
    await using served = await serveTemp();
    await served.storage.mkdir(at("d"));
    await store(served.storage, "f", "x");
    const targets = ["d", "f", "nowhere"];
    // Names of which one begins with the other, in all combinations of targets.
    for (let i = 0; i < 300; i++) {
      const name = `l${String(Math.floor(i / 3)).padStart(3, "0")}${["", "-", "0"][i % 3]}`;
      await Deno.symlink(targets[(i + Math.floor(i / 9)) % 3] ?? "", served.inside(name));
    }
    for (const recursive of [false, true]) {
      const entries = await entriesOf(served.storage, "", recursive);
      assertEquals(entries.length, namesOnDisk(served.root).length);
      const keys = entries.map(listingKey);
      assertEquals(keys, keys.toSorted(compareUtf8));
      assertEquals(new Set(entries.map(({ kind }) => kind)), new Set(["directory", "file", "other"]));
    }
  },
);

Deno.test("DirectoryStorage.list() leaves out what becomes another kind of thing meanwhile, and stays in order", async () => {
  await using served = await serveTemp();
  const names = Array.from({ length: 200 }, (_, i) => `n${String(i).padStart(3, "0")}`);
  for (const name of names) await store(served.storage, name, "x");
  await served.storage.mkdir(at("z1"));
  await store(served.storage, "z2", "x");
  const listed: string[] = [];
  for await (const { path } of served.storage.list(ROOT)) {
    listed.push(path);
    if (listed.length !== 1) continue;
    await Deno.remove(served.inside("z1"));
    await Deno.writeTextFile(served.inside("z1"), "x");
    await Deno.remove(served.inside("z2"));
    await Deno.mkdir(served.inside("z2"));
  }
  assertEquals(listed, names);
});

Deno.test("DirectoryStorage.list() says that a directory holds reserved names, unless they are Ferry's own", async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  for (const name of ["d", "e"]) await storage.mkdir(at(name));
  await Deno.writeTextFile(inside("d/.Ferry-notes"), "x");
  await Deno.writeTextFile(inside("e/.ferry-0123456789abcdef.part"), "x");
  await Deno.mkdir(inside("e/.ferry-0123456789abcdef.removed"));
  const reason = 'something in it has a name that begins with ".ferry-", which is reserved';
  assertEquals((await entriesOf(storage, "", true)).map(({ path, unreadable, reason }) => [path, unreadable, reason]), [
    ["d", true, reason],
    ["e", undefined, undefined],
  ]);
  assertEquals(await entriesOf(storage, "d"), []);
  // What has no entry that could say so fails at the end.
  const { message } = await assertFailsWith("InvalidPath", () => entriesOf(storage, "d", true));
  assertEquals(message, reason);
});
