import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { confirmRemoval } from "../../../lib/cli/client/confirm_removal.ts";
import type { Invocation } from "../../../lib/cli/client/invocation.ts";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { scene } from "../../helpers/scene.ts";
import { serveTemp } from "../../helpers/served.ts";
import { at, store } from "../../helpers/storage.ts";
import { linesOf, pathsIn } from "../../helpers/trees.ts";

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
