import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Entry } from "../../../lib/mod.ts";
import { Served } from "../../helpers/raw.ts";
import { scene } from "../../helpers/scene.ts";
import { tempDir } from "../../helpers/temp.ts";
import { runCommand } from "../../helpers/trees.ts";

/** What is there; `makeTree` gives later files later times. */
const TREE = { "a.txt": "1", "b.pdf": "22", "[b].pdf": "333", "r/x.pdf": "4444", "r/y.txt": "5", "r/d/z.pdf": "6" };

/** The paths in a listing, in its order. */
function pathsOf(output: string): string[] {
  return output.split("\n").filter(Boolean).map((line) => line.replace(/^ *(\d+|-) {2}[\d-]+ [\d:]+ {2}/, ""));
}

for (
  const [words, paths] of [
    ["dir", ["[b].pdf", "a.txt", "b.pdf", "r/"]],
    ["dir a.txt", ["a.txt"]],
    ["dir r/x.pdf", ["r/x.pdf"]],
    ["dir r", ["d/", "x.pdf", "y.txt"]],
    ["dir r a.txt", ["r/d/", "r/x.pdf", "r/y.txt", "a.txt"]],
    ["dir *.pdf", ["[b].pdf", "b.pdf"]],
    ["dir r/*.pdf a.txt", ["r/x.pdf", "a.txt"]],
    ["dir r*", ["r/"]],
    ["dir -r r*", ["r/", "r/d/", "r/d/z.pdf", "r/x.pdf", "r/y.txt"]],
    ["dir **/*.pdf", ["[b].pdf", "b.pdf", "r/d/z.pdf", "r/x.pdf"]],
    // A name that exists is meant as it is.
    ["dir [b].pdf", ["[b].pdf"]],
    ["dir -S *.pdf r", ["r/x.pdf", "[b].pdf", "b.pdf", "r/y.txt", "r/d/"]],
    ["dir -S r", ["x.pdf", "y.txt", "d/"]],
    ["dir --time *.* r/*.txt", ["r/y.txt", "[b].pdf", "b.pdf", "a.txt"]],
    ["ls -t -r r/d a.txt", ["r/d/z.pdf", "a.txt"]],
  ] as const
) {
  Deno.test(`${words} lists ${paths.join(", ")}`, async () => {
    await using place = await scene(TREE);
    assertEquals(pathsOf((await place.run(words)).output), [...paths]);
  });
}

Deno.test("dir says what it cannot list, lists the others, and ends with the code of the first failure", async () => {
  await using place = await scene(TREE);
  const { output, news } = await place.run("dir none a.txt *.doc ../x", 5);
  assertEquals(pathsOf(output), ["a.txt"]);
  assertEquals(news.split("\n"), [
    'Cannot list "none": no such file or directory',
    'Cannot list "*.doc": nothing on the server matches it',
    'Cannot use "../x": it leads out of the served directory',
    "3 of 4 failed",
  ]);
});

Deno.test("dir with a pattern that matches nothing fails", async () => {
  await using place = await scene(TREE);
  const { output, news } = await place.run("dir *.doc", 5);
  assertEquals([output, news], ["", 'Cannot list "*.doc": nothing on the server matches it']);
});

Deno.test("dir refuses two orders", async () => {
  await using place = await scene(TREE);
  assertEquals((await place.run("dir -t -S", 2)).news, "-t and -S cannot be combined");
});

Deno.test("dir lists any number of entries, and refuses to sort more than 100,000", async () => {
  const entries = 100_001;
  await using served = await Served.with({}, {}, () => ({
    async *list() {
      for (let i = 0; i < entries; i++) {
        yield { path: String(i).padStart(6, "0"), kind: "file", size: i, mtimeMs: 0 } satisfies Entry;
      }
    },
  }));
  await using local = await tempDir();
  const run = (...words: string[]) => runCommand(served.address, local.path, words);
  const plain = await run("dir");
  assertEquals([plain.code, plain.output.split("\n").length], [0, entries + 1]);
  const sorted = await run("dir", "-S");
  assertEquals(sorted.code, 1);
  assertStringIncludes(sorted.news, "more than 100000 names are too many at once; do it in parts");
});

Deno.test("lls lists a directory on this side, as dir does on the server", async () => {
  await using place = await scene({}, { "a": "1", "d/b": "22", "d/c": "1" });
  const names = async (words: string) => (await place.run(words)).output.match(/\S+$/gm);
  assertEquals(await names("lls"), ["a", "d/"]);
  assertEquals(await names("lls d"), ["b", "c"]);
  assertEquals(await names("lls -t d"), ["c", "b"]);
  assertEquals(await names("lls -S d/"), ["b", "c"]);
  assertEquals(place.served.events.of("command"), []);
  const { news } = await place.run("lls none", 5);
  assertEquals(news, `Cannot list "${place.here}/none": no such file or directory`);
  await place.run("lls -t -S", 2);
});
