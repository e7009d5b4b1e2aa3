import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { confirmRemoval } from "../../../lib/cli/client/confirm_removal.ts";
import type { Invocation } from "../../../lib/cli/client/invocation.ts";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { scene } from "../../helpers/scene.ts";
import { serveTemp } from "../../helpers/served.ts";
import { at, store } from "../../helpers/storage.ts";
import { linesOf, pathsIn, type Tree } from "../../helpers/trees.ts";

const TREE = { "t/real/x.txt": "x", "t/real/below/y.txt": "y", "t/a.txt": "a" } as const;

/** Makes links of all kinds in a tree. */
function makeLinks(root: string): void {
  for (
    const [name, target] of [
      ["dir", "real"],
      ["again", "dir"],
      ["file", "a.txt"],
      ["real/below/up", "../.."],
      ["out", "/"],
      ["nowhere", "none"],
    ] as const
  ) Deno.symlinkSync(target, `${root}/t/${name}`);
}

/** What arrives of it. */
const ARRIVED = [
  "a.txt",
  ...["again", "dir", "real"].flatMap((name) =>
    ["/", "/below/", "/below/y.txt", "/x.txt"].map((below) => `${name}${below}`)
  ),
  "file",
].sort();

for (const verb of ["get", "put"] as const) {
  Deno.test(`${verb} -r follows links inside, and says of all others what they are`, NOT_ON_WINDOWS, async () => {
    await using place = verb === "get" ? await scene(TREE) : await scene({}, TREE);
    const [from, to] = verb === "get" ? [place.there, place.here] : [place.here, place.there];
    makeLinks(from);
    const { news } = await place.run(`${verb} -r t/ copy`, 1);
    assertEquals(pathsIn(`${to}/copy`), ARRIVED);
    assertEquals(
      linesOf(`${to}/copy`).filter((line) => /^again\/./.test(line)).map((line) => line.slice("again".length)),
      linesOf(`${from}/t/real`).filter((line) => !line.includes("special")).map((line) => `/${line}`),
    );
    const said = news.split("\n").filter((line) => line.startsWith("Cannot")).map((line) =>
      line.replace(/^Cannot \w+ ".*?\bt\//, "").replace('"', "")
    );
    const circle = "it leads back to a directory above it";
    const elsewhere = "a link that leads nowhere, out of the directory, or to a special file";
    assertEquals(
      said.sort(),
      [
        ...["again", "dir", "real"].map((name) => `${name}/below/up: ${circle}`),
        `nowhere: ${elsewhere}`,
        `out: ${elsewhere}`,
      ].sort(),
    );
    assertStringIncludes(news, "5 failed");
    assertStringIncludes(news, "5 entries could not be transferred");
  });
}

Deno.test("rm '**/…' removes nothing behind a link", NOT_ON_WINDOWS, async () => {
  await using place = await scene({ "a/x.txt": "x", "keep/y.txt": "y", "keep/z": "z" });
  Deno.symlinkSync("../keep", `${place.there}/a/link`);
  await place.run("rm a/**/*.txt");
  assertEquals(pathsIn(place.there), ["a/", "a/link (special)", "keep/", "keep/y.txt", "keep/z"]);
  await place.run("rm -r a");
  assertEquals(pathsIn(place.there), ["keep/", "keep/y.txt", "keep/z"]);
});

Deno.test("confirmRemoval() counts a link, and nothing behind it", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await storage.mkdir(at("a"));
  await storage.mkdir(at("keep"));
  await store(storage, "keep/y", "12345");
  await store(storage, "a/x", "123");
  await Deno.symlink("../keep", inside("a/link"));
  const asked: string[] = [];
  const ask = (question: string) => {
    asked.push(question);
    return Promise.resolve("y");
  };
  const shell = { storage, output: { ask, inform() {} } };
  const invocation = { shell, signal: new AbortController().signal } as unknown as Invocation;
  assert(await confirmRemoval(invocation, [at("a")]));
  assertEquals(asked, ["Remove 1 directory and 2 files (3 B)? [y/N] "]);
});

for (const verb of ["get", "put"] as const) {
  const from = async (source: Tree, target: Tree, links: Readonly<Record<string, string>>) => {
    const place = await (verb === "get" ? scene(source, target) : scene(target, source));
    const [here, there] = verb === "get" ? [place.there, place.here] : [place.here, place.there];
    for (const [name, to] of Object.entries(links)) Deno.symlinkSync(to, `${there}/${name}`);
    return { place, source: here, target: there };
  };
  const read = (path: string) => Deno.readTextFileSync(path);
  const isLink = (path: string) => Deno.lstatSync(path).isSymlink;

  for (const option of ["", "--delete ", "--all ", "--verify ", "--delete --all --verify "]) {
    Deno.test(`${verb} -r ${option}writes nothing through a link to a directory`, NOT_ON_WINDOWS, async () => {
      const source = { "LD/x/f": "data", "LD/a": "file" };
      const { place, target } = await from(source, { "lk/LD/other": null, "lk/LD/zreal": "old" }, {
        "lk/LD/x": "other",
        "lk/LD/a": "zreal",
      });
      await using _place = place;
      for (const run of [1, 2]) {
        const { news } = await place.run(`${verb} -r ${option}LD lk`, 1);
        assertMatch(
          news,
          /x": it is a link to a directory; remove it first to put a directory in its place; 1 entry in it was not /,
        );
        assertStringIncludes(news, "2 failed");
        assertStringIncludes(news, run === 1 || option.includes("--all") ? " 1 file (" : " 0 files (");
        assertEquals(news.includes("so nothing was deleted"), option.includes("--delete"));
        assertEquals(pathsIn(`${target}/lk/LD`), ["a", "other/", "x (special)", "zreal"]);
        assertEquals([read(`${target}/lk/LD/a`), read(`${target}/lk/LD/zreal`)], ["file", "old"]);
      }
      Deno.removeSync(`${target}/lk/LD/x`);
      for (const _run of [1, 2]) {
        await place.run(`${verb} -r ${option}LD lk`);
        const extra = option.includes("--delete") ? [] : ["other/", "zreal"];
        assertEquals(pathsIn(`${target}/lk/LD`), ["a", "x/", "x/f", ...extra].sort());
        assertEquals(read(`${target}/lk/LD/x/f`), "data");
      }
    });

    Deno.test(`${verb} -r ${option}replaces a link to a file that is in the tree, too`, NOT_ON_WINDOWS, async () => {
      const { place, source, target } = await from({ "t/a": "one", "t/z": "two" }, { "copy/z": "one" }, {
        "copy/a": "z",
      });
      await using _place = place;
      // Through the link, it looks like what is to be there.
      const { mtime } = Deno.statSync(`${source}/t/a`);
      assert(mtime);
      Deno.utimeSync(`${target}/copy/z`, mtime, mtime);
      for (const run of [1, 2]) {
        const { news } = await place.run(`${verb} -r ${option}t/ copy`);
        assertStringIncludes(news, run === 1 || option.includes("--all") ? " 2 files (" : " 0 files (");
        assertEquals([isLink(`${target}/copy/a`), read(`${target}/copy/a`)], [false, "one"]);
        assertEquals(read(`${target}/copy/z`), "two");
      }
    });

    Deno.test(`${verb} -r ${option}goes through a link that the user named`, NOT_ON_WINDOWS, async () => {
      const links = { copy: "real", "into/t": "../real" };
      const { place, target } = await from({ "t/d/f": "f" }, { "real/old": "old", "into": null }, links);
      await using _place = place;
      for (const words of ["t/ copy", "t/ copy", "t into", "t into"]) {
        await place.run(`${verb} -r ${option}${words}`);
        assertEquals(pathsIn(`${target}/real`), ["d/", "d/f", ...option.includes("--delete") ? [] : ["old"]]);
      }
      assertEquals([isLink(`${target}/copy`), isLink(`${target}/into/t`)], [true, true]);
    });
  }

  Deno.test(`${verb} -r says once what is in the way of many`, NOT_ON_WINDOWS, async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`t/link/d${i % 2}/${i}`, "x"]));
    const { place, target } = await from(
      { ...many, "t/file/a": "a", "t/file/b/c": "c", "t/dir": "dir", "t/last": "last" },
      { "copy/file": "file", "copy/dir/x": "x", "copy/other": null },
      { "copy/link": "other" },
    );
    await using _place = place;
    const before = linesOf(target);
    for (const option of ["-n ", "", "--all "]) {
      const { output, news } = await place.run(`${verb} -r ${option}t/ copy`, 1);
      const lines = news.split("\n").filter((line) => line.startsWith("Cannot"));
      const remove = "remove it first to put a directory in its place";
      assertEquals(
        lines.map((line) => line.replace(/^Cannot \w+ ".*copy\/(\w+)"/, "$1")).sort(),
        [
          "dir: it is a directory; remove it first to put a file in its place",
          `file: it is a file; ${remove}; 3 entries in it were not transferred`,
          `link: it is a link to a directory; ${remove}; 202 entries in it were not transferred`,
        ],
      );
      assertStringIncludes(news, "208 failed");
      if (option !== "-n ") continue;
      assertEquals(output.trim().split("\n").map((line) => line.replace(/^.*\//, "")), ['last"']);
      assertEquals(linesOf(target), before);
    }
    assertEquals(pathsIn(`${target}/copy`), ["dir/", "dir/x", "file", "last", "link (special)", "other/"]);
  });

  Deno.test(`${verb} of a pattern writes nothing through a link on the way`, NOT_ON_WINDOWS, async () => {
    const { place, target } = await from({ "t/d/e/f": "f", "t/g/f": "f" }, { "copy/other/e": null }, {
      "copy/d": "other",
    });
    await using _place = place;
    for (const pattern of ["t/**/f", "t/*/e/f"]) {
      const { news } = await place.run(`${verb} ${pattern} copy`, 1);
      assertMatch(news, /copy\/d": it is a link to a directory; .*; 1 entry in it was not transferred$/m);
      assertMatch(news, /, 1 failed\.$/m);
    }
    assertEquals(pathsIn(`${target}/copy`), ["d (special)", "g/", "g/f", "other/", "other/e/"]);
  });
}
