import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { FakeServer } from "../../helpers/raw.ts";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { scene } from "../../helpers/scene.ts";
import { tempDir } from "../../helpers/temp.ts";
import { pathsIn, runCommand, type Tree } from "../../helpers/trees.ts";

const TREE: Tree = { "a": "1", "b": "2", "[ab]": "3", "d/x.pdf": "4", "d/y.pdf": "5", "d/z": "6", "e": null };

for (
  const [words, code, paths, said] of [
    ["rm a b", 0, ["[ab]", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/"], ""],
    ["rm a d/*.pdf", 0, ["[ab]", "b", "d/", "d/z", "e/"], ""],
    // A name that exists is meant as it is.
    ["rm [ab]", 0, ["a", "b", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/"], ""],
    ["rm d//z /a//", 0, ["[ab]", "b", "d/", "d/x.pdf", "d/y.pdf", "e/"], ""],
    ["rm -r d e", 0, ["[ab]", "a", "b"], ""],
    ["rm -r **/*", 0, [], ""],
    ["rm -rf d nothing", 0, ["[ab]", "a", "b", "e/"], ""],
    ["rm -f nothing *.doc nothing/x", 0, ["[ab]", "a", "b", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/"], ""],
    [
      "rm nothing a *.doc",
      5,
      ["[ab]", "b", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/"],
      'Cannot remove "nothing": no such file or directory\nCannot remove "*.doc": nothing on the server matches it\n' +
      "2 of 3 failed",
    ],
    [
      "rm -f d a",
      1,
      ["[ab]", "b", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/"],
      'Cannot remove "d": the directory is not empty\n1 of 2 failed',
    ],
    ["mkdir -p f/g h e", 0, ["[ab]", "a", "b", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/", "f/", "f/g/", "h/"], ""],
    [
      "mkdir f e a h",
      1,
      ["[ab]", "a", "b", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/", "f/", "h/"],
      'Cannot mkdir "e": it exists already\nCannot mkdir "a": it exists already\n2 of 4 failed',
    ],
    ["mv a c", 0, ["[ab]", "b", "c", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/"], ""],
    ["mv a b e", 0, ["[ab]", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/", "e/a", "e/b"], ""],
    ["mv a e", 0, ["[ab]", "b", "d/", "d/x.pdf", "d/y.pdf", "d/z", "e/", "e/a"], ""],
    ["mv d/*.pdf e/", 0, ["[ab]", "a", "b", "d/", "d/z", "e/", "e/x.pdf", "e/y.pdf"], ""],
    ["mv d/z .", 0, ["[ab]", "a", "b", "d/", "d/x.pdf", "d/y.pdf", "e/", "z"], ""],
    ["mv e d", 0, ["[ab]", "a", "b", "d/", "d/e/", "d/x.pdf", "d/y.pdf", "d/z"], ""],
  ] as const
) {
  Deno.test(`${words} leaves ${paths.join(" ") || "nothing"}`, async () => {
    await using place = await scene(TREE);
    const { news } = await place.run(words, code);
    assertEquals(pathsIn(place.there), [...paths].sort());
    assertEquals(news, said);
  });
}

for (
  const [words, code, reason] of [
    ["mv a b", 1, 'Cannot rename "a": the new name exists already'],
    ["mv a b c", 5, 'Cannot move into "c": there is no such directory'],
    ["mv a b [ab]", 1, 'Cannot move into "[ab]": it is not a directory'],
    ["mv a c/", 5, 'Cannot move into "c/": there is no such directory'],
    // It may be one file today and two tomorrow.
    ["mv d/x* c", 5, 'Cannot move into "c": there is no such directory'],
    ["mv d d", 1, 'Cannot rename "d": a directory cannot be moved into itself'],
    ["mv / c", 1, 'Cannot rename "/": it is the served directory itself'],
    ["mv nothing c", 5, 'Cannot rename "nothing": no such file or directory'],
    ["rm .", 1, 'Cannot remove ".": it is the served directory itself'],
    ["rm d", 1, 'Cannot remove "d": the directory is not empty'],
  ] as const
) {
  Deno.test(`${words} changes nothing and says why`, async () => {
    await using place = await scene(TREE);
    const before = pathsIn(place.there);
    assertEquals((await place.run(words, code)).news, reason);
    assertEquals(pathsIn(place.there), before);
  });
}

Deno.test("mv never replaces what has the same name in the directory", async () => {
  await using place = await scene({ "a": "new", "b": "b", "d/a": "old" });
  const { news } = await place.run("mv a b d", 1);
  assertEquals(news, 'Cannot rename "a": the new name exists already\n1 of 2 failed');
  assertEquals(await Deno.readTextFile(join(place.there, "d", "a")), "old");
  assertEquals(pathsIn(place.there), ["a", "d/", "d/a", "d/b"]);
});

Deno.test("rm with a pattern removes links, and nothing through them", NOT_ON_WINDOWS, async () => {
  await using place = await scene({ "d/x.tmp": "1", "kept/y.tmp": "2", "kept/z": "3" });
  await Deno.symlink("../kept", join(place.there, "d", "link"));
  await place.run("rm d/**/*.tmp");
  assertEquals(pathsIn(place.there), ["d/", "d/link (special)", "kept/", "kept/y.tmp", "kept/z"]);
  await place.run("rm -r d/l*");
  assertEquals(pathsIn(place.there), ["d/", "kept/", "kept/y.tmp", "kept/z"]);
});

Deno.test("rm asks for everything that it is given before the first answer", async () => {
  const names = Array.from({ length: 16 }, (_, i) => `f${i}`);
  const asked: unknown[] = [];
  await using server = FakeServer.welcoming(async (peer) => {
    for (const _ of names) asked.push((await peer.receive())?.value);
    for (const _ of names) await peer.send("ok", {});
    await peer.receive();
    await peer.send("ok", {});
  });
  await using local = await tempDir();
  assertEquals((await runCommand(server.address, local.path, ["rm", ...names])).code, 0);
  assertEquals(asked, names.map((path) => ({ command: "remove", path, recursive: false })));
});
