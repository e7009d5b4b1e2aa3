import { assert, assertEquals, assertMatch } from "@std/assert";
import { compareUtf8, listingKey } from "../../../lib/core/listing_order.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { type Served, serveTemp } from "../../helpers/served.ts";
import { at, contentOf, entriesOf, namesOf, store } from "../../helpers/storage.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";

const CIRCLE = "it leads back to a directory above it";

/** The paths of the entries, those that are not served with the reason. */
async function linesOf({ storage }: Served, path = ""): Promise<string[]> {
  const entries = await entriesOf(storage, path, true);
  const keys = entries.map(listingKey);
  assertEquals(keys, keys.toSorted(compareUtf8));
  return entries.map(({ path, kind, reason, link }) => {
    const name = `${path}${kind === "directory" ? "/" : ""}${link ? "@" : ""}`;
    return reason === undefined ? name : `${name}: ${reason}`;
  });
}

Deno.test("DirectoryStorage.list() enters links to directories inside, in their place", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("real/below"), { parents: true });
  await store(storage, "real/below/x", "x");
  await storage.mkdir(at("d"));
  await Deno.symlink("../real", inside("d/a"));
  await Deno.symlink(inside("real/below"), inside("d/a.0"));
  await Deno.symlink("a", inside("d/a0"));
  assertEquals(await linesOf(served), [
    "d/",
    "d/a.0/@",
    "d/a.0/x",
    "d/a/@",
    "d/a/below/",
    "d/a/below/x",
    "d/a0/@",
    "d/a0/below/",
    "d/a0/below/x",
    "real/",
    "real/below/",
    "real/below/x",
  ]);
  // What is listed can be opened.
  assertEquals((await contentOf(storage, "d/a0/below/x")).length, 1);
  assertEquals(await linesOf(served, "d/a"), ["below/", "below/x"]);
});

Deno.test("DirectoryStorage.list() finds links that lead in a circle", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("a/b"), { parents: true });
  await storage.mkdir(at("c"));
  await Deno.symlink(".", inside("a/self"));
  await Deno.symlink("../..", inside("a/b/root"));
  await Deno.symlink("..", inside("a/b/up"));
  // Two directories, each with a link to the other one.
  await Deno.symlink("../../c", inside("a/b/to-c"));
  await Deno.symlink("../a", inside("c/to-a"));
  assertEquals(await linesOf(served), [
    "a/",
    "a/b/",
    `a/b/root@: ${CIRCLE}`,
    "a/b/to-c/@",
    `a/b/to-c/to-a@: ${CIRCLE}`,
    `a/b/up@: ${CIRCLE}`,
    `a/self@: ${CIRCLE}`,
    "c/",
    "c/to-a/@",
    "c/to-a/b/",
    `c/to-a/b/root@: ${CIRCLE}`,
    `c/to-a/b/to-c@: ${CIRCLE}`,
    `c/to-a/b/up@: ${CIRCLE}`,
    `c/to-a/self@: ${CIRCLE}`,
  ]);
  // What leads above the directory that is listed would come back to it.
  assertEquals((await linesOf(served, "a/b")).includes(`up@: ${CIRCLE}`), true);
  assertEquals((await linesOf(served, "c/to-a/b")).includes(`up@: ${CIRCLE}`), true);
  // One directory by itself is no circle.
  const kinds = (await entriesOf(storage, "a")).map(({ path, kind }) => [path, kind]);
  assertEquals(kinds, [["b", "directory"], ["self", "directory"]]);
});

Deno.test("DirectoryStorage.list() lists a directory as often as links lead to it", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  // Each has two links to the next one, so that there are 2^11 ways to the last.
  for (let i = 0; i < 12; i++) {
    await storage.mkdir(at(`d${i}`));
    for (const name of i < 11 ? ["x", "y"] : []) await Deno.symlink(`../d${i + 1}`, inside(`d${i}/${name}`));
  }
  await store(storage, "d11/file", "x");
  const names = await namesOf(storage, "d0", true);
  assertEquals(names.filter((name) => name.endsWith("/file")).length, 2 ** 11);
  assertEquals(names.length, 2 ** 12 - 2 + 2 ** 11);
});

Deno.test("DirectoryStorage.list() ends, and says so, where links multiply without end", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  // Each directory has links to all others, which makes more than 10^9 ways.
  const count = 13;
  for (let i = 0; i < count; i++) await storage.mkdir(at(`d${i}`));
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) if (i !== j) await Deno.symlink(`../d${j}`, inside(`d${i}/l${j}`));
  }
  const entries = await entriesOf(storage, "", true);
  const missing = entries.filter(({ unreadable }) => unreadable);
  // All entries that are not left out stand in one of the directories that were entered.
  assert(entries.length < (10_000 + count) * count, `${entries.length}`);
  assert(missing.length > 0);
  for (const { reason, kind, link } of missing) {
    assertEquals([kind, link], ["directory", true]);
    assertMatch(reason ?? "", /^it is a link, and 10000 links to directories were followed already$/);
  }
});

Deno.test("DirectoryStorage.list() marks what has too long a path behind a link", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  const deep = Array.from({ length: 15 }, () => "d".repeat(250)).join("/");
  await storage.mkdir(at(deep), { parents: true });
  await storage.mkdir(at("short"));
  await store(storage, `short/${"f".repeat(250)}`, "x");
  await store(storage, "short/g", "x");
  await Deno.symlink(inside("short"), inside(deep, "l".repeat(200)));
  const entries = await entriesOf(storage, "", true);
  const marked = entries.filter(({ unreadable }) => unreadable);
  assertEquals(marked.map(({ path, reason }) => [path, reason]), [
    [`${deep}/${"l".repeat(200)}`, "something in it has a path that is too long"],
  ]);
  // The others can be opened.
  for (const { path, kind } of entries) if (kind === "file") await (await storage.read(at(path))).close();
});

Deno.test(
  "DirectoryStorage.list() fails when a directory behind a link is moved meanwhile",
  NOT_ON_WINDOWS,
  async () => {
    for (const place of ["real", "d"]) {
      await using served = await serveTemp();
      const { storage, inside, outside } = served;
      await storage.mkdir(at("real"));
      await storage.mkdir(at("d"));
      for (let i = 0; i < 200; i++) await store(storage, `real/${i}`, "x");
      await Deno.symlink("../real", inside("d/a"));
      await Deno.symlink("../real", inside("d/b"));
      const listed: string[] = [];
      await assertFailsWith("Changed", async () => {
        for await (const { path } of storage.list(ROOT, { recursive: true })) {
          listed.push(path);
          if (path !== "d/a") continue;
          await Deno.rename(inside(place), outside("moved"));
          await Deno.symlink(outside("moved"), inside(place));
        }
      }, place);
      assertEquals(listed.includes("d/b"), false);
    }
  },
);

Deno.test("DirectoryStorage.remove() and rename() enter no links", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("real/below/deep"), { parents: true });
  await store(storage, "real/below/deep/x", "x");
  await storage.mkdir(at("d/e"), { parents: true });
  await Deno.symlink("../real", inside("d/a"));
  await Deno.symlink("../../real", inside("d/e/b"));
  // What is behind the links does not count among what would lie deeper.
  await storage.rename(at("d"), at("real/d"), { maxDepth: 4 });
  await storage.remove(at("real/d"), { recursive: true });
  assertEquals(await linesOf(served), ["real/", "real/below/", "real/below/deep/", "real/below/deep/x"]);
});
