import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import type { Entry, ServeOptions, Storage } from "../../../lib/mod.ts";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { Served } from "../../helpers/raw.ts";
import { scene } from "../../helpers/scene.ts";
import { tempDir } from "../../helpers/temp.ts";
import { assertSameTree, linesOf, makeTree, pathsIn, runCommand, type Tree } from "../../helpers/trees.ts";

const SOURCE: Tree = { "t/a": "a", "t/d/b": "b", "t/d/keep.o": "new", "t/empty": null };

const TARGET: Tree = {
  "beside": "beside",
  "copy/0": "old",
  "copy/a": "a",
  "copy/d/c": "old",
  "copy/d/mine.o": "old",
  "copy/gone/x/y": "old",
  "copy/t/old": "old",
};

for (const verb of ["get", "put"] as const) {
  const from = (source: Tree, target: Tree, options: Partial<ServeOptions> = {}) =>
    verb === "get" ? scene(source, target, options) : scene(target, source, options);
  type Scene = Awaited<ReturnType<typeof scene>>;
  const source = ({ there, here }: Scene) => verb === "get" ? there : here;
  const target = ({ there, here }: Scene) => verb === "get" ? here : there;

  Deno.test(`${verb} --delete leaves at the target what the source has, and nothing else`, async () => {
    await using place = await from(SOURCE, TARGET);
    const { news } = await place.run(`${verb} -r --delete t/ copy`);
    assertMatch(news, /^(Got|Put) \d files \(.*\), 8 deleted\.$/m);
    assertSameTree(`${target(place)}/copy`, `${source(place)}/t`);
    assertEquals(pathsIn(target(place)).filter((path) => !path.startsWith("copy/")), ["beside"]);
    const before = linesOf(target(place));
    const again = await place.run(`${verb} -r --delete t/ copy`);
    assertMatch(again.news, / 0 files \(.*\), 3 skipped, 0 deleted\.$/m);
    assertEquals(linesOf(target(place)), before);
  });

  Deno.test(`${verb} --delete looks only into the directory that the source's goes to`, async () => {
    await using place = await from(SOURCE, TARGET);
    await place.run(`${verb} -r --delete t copy`);
    assertSameTree(`${target(place)}/copy/t`, `${source(place)}/t`);
    assertEquals(pathsIn(`${target(place)}/copy`).filter((path) => !path.startsWith("t/")), [
      "0",
      "a",
      "d/",
      "d/c",
      "d/mine.o",
      "gone/",
      "gone/x/",
      "gone/x/y",
    ]);
  });

  Deno.test(`${verb} --delete keeps what is excluded`, async () => {
    await using place = await from(SOURCE, TARGET);
    const { news } = await place.run(`${verb} -r --delete --exclude *.o --exclude /gone/x t/ copy`);
    assertMatch(news, /, 4 deleted\.$/m);
    assertEquals(
      pathsIn(`${target(place)}/copy`),
      ["a", "d/", "d/b", "d/mine.o", "empty/", "gone/", "gone/x/"].concat(
        "gone/x/y",
      ),
    );
  });

  Deno.test(`${verb} --delete with --dry-run prints what would be deleted, and changes nothing`, async () => {
    await using place = await from(SOURCE, TARGET);
    const before = linesOf(target(place));
    const { output, news } = await place.run(`${verb} -r --delete -n --exclude mine.o t/ copy`);
    const lines = output.split("\n").filter((line) => line.startsWith("remove "));
    const removed = ["0", "d/c", "gone", "gone/x", "gone/x/y", "t", "t/old"];
    const shown = verb === "get" ? `${place.here}/copy` : "copy";
    assertEquals(lines.toSorted(), removed.map((path) => `remove "${shown}/${path}"`));
    assertStringIncludes(news, "7 to delete");
    assertEquals(linesOf(target(place)), before);
    const missing = await place.run(`${verb} -r --delete -n t/ not/there`);
    assert(!missing.output.includes("remove "), missing.output);
    assertEquals(linesOf(target(place)), before);
  });

  Deno.test(`${verb} --delete is refused where it could delete what was not meant`, async () => {
    await using place = await from({ ...SOURCE, "u/x": "x", "file": "f" }, TARGET);
    const before = linesOf(target(place));
    for (
      const [words, why] of [
        [`${verb} --delete t/ copy`, "-r"],
        [`${verb} -r --delete t`, "TARGET"],
        [`${verb} -r --delete t/ u/ copy/`, "one directory"],
        [`${verb} -r --delete t/* copy`, "pattern"],
        [`${verb} -r --delete ? copy`, "pattern"],
        [`${verb} -r --delete file copy`, "directory"],
      ] as const
    ) {
      const { news } = await place.run(words, 2);
      assertStringIncludes(news, "--delete");
      assertStringIncludes(news, why, words);
      assertEquals(linesOf(target(place)), before, words);
    }
  });

  Deno.test(`${verb} refuses --exclude and the like where there is no tree`, async () => {
    await using place = await from({ ...SOURCE, "u/x.o": "x", "u/y": "y" }, { "into": null });
    for (const option of ["exclude", "include"]) {
      const { news } = await place.run(`${verb} --${option} *.o t/a into`, 2);
      assertStringIncludes(news, `--${option}`);
    }
    assertEquals(pathsIn(target(place)), ["into/"]);
    await place.run(`${verb} --exclude *.o u/* into`);
    assertEquals(pathsIn(target(place)), ["into/", "into/y"]);
  });

  Deno.test(`${verb} --delete deletes nothing when the source is empty, or all of it is excluded`, async () => {
    await using place = await from({ ...SOURCE, "none": null }, TARGET);
    const before = linesOf(`${target(place)}/copy`);
    for (const words of ["-r --delete none/ copy", "-r --delete --exclude * t/ copy", "-r --delete -n none/ copy"]) {
      const { news } = await place.run(`${verb} ${words}`, 4);
      assertStringIncludes(news, "Nothing was deleted: the source is empty, or all in it is excluded");
      assertEquals(linesOf(`${target(place)}/copy`), before);
    }
    // Nor is anything made.
    const all = linesOf(target(place));
    for (
      const words of ["none/ new", "none new", "none copy", "--exclude * t/ new", "--exclude * t copy", "-n none new"]
    ) {
      const { news, output } = await place.run(`${verb} -r --delete ${words}`, 4);
      assertEquals([news, output], ["Nothing was deleted: the source is empty, or all in it is excluded", ""]);
      assertEquals(linesOf(target(place)), all);
    }
  });

  Deno.test(`${verb} --delete deletes nothing when something could not be transferred`, async () => {
    await using place = await from(SOURCE, { ...TARGET, "copy/d/b/in-the-way": "" });
    const before = pathsIn(`${target(place)}/copy`);
    const { news } = await place.run(`${verb} -r --delete t/ copy`, 1);
    assertStringIncludes(news, "could not be transferred, so nothing was deleted");
    assertEquals(before.filter((path) => !pathsIn(`${target(place)}/copy`).includes(path)), []);
  });

  Deno.test({
    ...NOT_ON_WINDOWS,
    name: `${verb} --delete deletes nothing when the source has what cannot be sent, unless that is excluded`,
    async fn() {
      await using place = await from(SOURCE, TARGET);
      assert((await new Deno.Command("mkfifo", { args: [`${source(place)}/t/pipe`] }).output()).success);
      await Deno.symlink("/", `${source(place)}/t/outside`);
      const before = pathsIn(`${target(place)}/copy`);
      const { news } = await place.run(`${verb} -r --delete t/ copy`, 1);
      assertStringIncludes(news, "2 failed");
      assertStringIncludes(news, "2 entries could not be transferred, so nothing was deleted");
      assertEquals(before.filter((path) => !pathsIn(`${target(place)}/copy`).includes(path)), []);
      const { news: then } = await place.run(`${verb} -r --delete --exclude pipe --exclude outside t/ copy`);
      assertStringIncludes(then, "8 deleted");
    },
  });

  Deno.test({
    ...NOT_ON_WINDOWS,
    name: `${verb} --delete removes links at the target, and nothing that they lead to`,
    async fn() {
      await using outside = await tempDir();
      makeTree(outside.path, { "precious/file": "precious" });
      await using place = await from(SOURCE, { ...TARGET, "beside.d/file": "precious" });
      await Deno.symlink(`${outside.path}/precious`, `${target(place)}/copy/outside`);
      await Deno.symlink("../beside.d", `${target(place)}/copy/inside`);
      await Deno.symlink("nowhere", `${target(place)}/copy/broken`);
      const { news } = await place.run(`${verb} -r --delete t/ copy`);
      assertStringIncludes(news, "11 deleted");
      assertEquals(pathsIn(outside.path), ["precious/", "precious/file"]);
      assertEquals(pathsIn(`${target(place)}/beside.d`), ["file"]);
      assertSameTree(`${target(place)}/copy`, `${source(place)}/t`);
    },
  });
}

for (const [what, policy] of [["remove", { noDelete: true }], ["read", { uploadOnly: true }]] as const) {
  Deno.test(`put --delete is refused before anything is sent without the right to ${what}`, async () => {
    await using place = await scene(TARGET, SOURCE, policy);
    const before = linesOf(place.there);
    const { news } = await place.run("put -r --delete t/ copy/", 4);
    assertStringIncludes(news, "Cannot use --delete: you may not");
    assertEquals(linesOf(place.there), before);
  });
}

/** A server that lists something else than it has. */
async function listing(change: (entries: Entry[]) => Iterable<Entry>, tree: Tree) {
  const served = await Served.with({}, {}, (storage: Storage) => ({
    async *list(path, options) {
      yield* change(await Array.fromAsync(storage.list(path, options)));
    },
  }));
  makeTree(served.join(), tree);
  return served;
}

for (
  const [what, change] of [
    ["out of order", (entries) => entries.toReversed()],
    ["with .. in it", (entries) => [...entries, { ...entries[0] as Entry, path: "zz/../../x" }]],
    ["with a directory that may not be listed", (entries) => {
      return entries.map((entry) => entry.path === "d" ? { ...entry, unreadable: true } : entry);
    }],
    ["that ends in a failure", function* (entries) {
      yield* entries.slice(0, 2);
      throw new Error("the disk is broken");
    }],
  ] satisfies [string, (entries: Entry[]) => Iterable<Entry>][]
) {
  for (const verb of ["get", "put"] as const) {
    Deno.test(`${verb} --delete deletes nothing by a server's listing ${what}`, async () => {
      await using served = await listing(change, verb === "get" ? SOURCE : TARGET);
      await using local = await tempDir();
      makeTree(local.path, verb === "get" ? TARGET : SOURCE);
      const target = verb === "get" ? local.path : served.join();
      const before = pathsIn(target);
      const { code, news } = await runCommand(served.address, local.path, [verb, "-r", "--delete", "t/", "copy"]);
      assert(code !== 0, news);
      assertMatch(news, /nothing was deleted|Cannot stat "t": the server listed a name that no server may use/i);
      assertEquals(before.filter((path) => !pathsIn(target).includes(path)), []);
    });
  }
}

Deno.test("get --delete that is cancelled during the transfer deletes nothing", async () => {
  const abort = new AbortController();
  await using served = await Served.with({}, {}, (storage: Storage) => ({
    read(path, options) {
      if (path === "t/d/b") abort.abort();
      return storage.read(path, options);
    },
  }));
  makeTree(served.join(), SOURCE);
  await using local = await tempDir();
  makeTree(local.path, TARGET);
  const before = pathsIn(local.path);
  const words = ["get", "-r", "--delete", "t/", "copy"];
  const { code, news } = await runCommand(served.address, local.path, words, abort.signal);
  assertEquals(code, 130, news);
  assertStringIncludes(news, "Nothing was deleted");
  assertEquals(before.filter((path) => !pathsIn(local.path).includes(path)), []);
});

Deno.test("put --delete that is cancelled while it deletes stops soon, and says how far it came", async () => {
  const abort = new AbortController();
  let removed = 0;
  await using served = await Served.with({}, {}, (storage: Storage) => ({
    remove(path, options) {
      if (++removed === 50) abort.abort();
      return storage.remove(path, options);
    },
  }));
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`copy/many/${i}`, ""]));
  makeTree(served.join(), { ...TARGET, ...many });
  await using local = await tempDir();
  makeTree(local.path, SOURCE);
  const words = ["put", "-r", "--delete", "t/", "copy"];
  const { code, news } = await runCommand(served.address, local.path, words, abort.signal);
  assertEquals(code, 130, news);
  assertMatch(news, /Not everything was deleted \(\d+ done\): /);
  assertGreater(pathsIn(served.join("copy/many")).length, 1000);
  assertEquals(pathsIn(served.join("copy/d")).includes("b"), true);
});
