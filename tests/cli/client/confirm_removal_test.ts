import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Shell } from "../../../lib/cli/client/shell.ts";
import { execute } from "../../../lib/cli/client/shell_commands.ts";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { failsWith } from "../../helpers/raw.ts";
import type { Served } from "../../helpers/raw.ts";
import { scene } from "../../helpers/scene.ts";
import { pathsIn, type Tree } from "../../helpers/trees.ts";

const TREE: Tree = { "a": "12", "d/x": "345", "d/e/y": "6789", "d/e/z": "", "k": "k" };

/** Runs a command as at a prompt where every question gets this answer; gives the questions and what was said. */
async function atPrompt(
  words: readonly string[],
  answer: string | undefined,
  prepare = (_there: string, _served: Served) => {},
) {
  await using place = await scene(TREE);
  prepare(place.there, place.served);
  const told: string[] = [];
  const output = {
    print: () => Promise.resolve(),
    inform: (line: string) => void told.push(line),
    ask: (question: string) => Promise.resolve((told.push(question), answer)),
  };
  const shell = new Shell(place.served.address, output, false);
  try {
    await execute(shell, [...words], new AbortController().signal);
  } finally {
    await shell.close();
  }
  return { told, left: pathsIn(place.there) };
}

const ALL = ["a", "d/", "d/e/", "d/e/y", "d/e/z", "d/x", "k"];

for (
  const [words, question] of [
    ["rm -r d", "Remove 2 directories and 3 files (7 B)? [y/N] "],
    ["rm -r d/e a", "Remove 1 directory and 3 files (6 B)? [y/N] "],
    ["rm -r a", "Remove 1 file (2 B)? [y/N] "],
    ["rm -r **", "Remove 2 directories and 5 files (10 B)? [y/N] "],
    ["rm -r d d/x", "Remove 2 directories and 3 files (7 B)? [y/N] "],
  ] as const
) {
  Deno.test(`${words} asks at the prompt with what it would remove, and does it for yes only`, async () => {
    for (const answer of [undefined, "", "n", "no", "yep", "y n"]) {
      const { told, left } = await atPrompt(words.split(" "), answer);
      assertEquals([told, left], [[question, "Nothing was removed."], ALL], answer);
    }
    for (const answer of ["y", " YES "]) {
      const { told, left } = await atPrompt(words.split(" "), answer);
      assertEquals(told, [question]);
      assertEquals(left.length < ALL.length, true);
    }
  });
}

Deno.test("rm asks nothing without -r, or with -f", async () => {
  assertEquals(await atPrompt(["rm", "a"], undefined), { told: [], left: ALL.filter((path) => path !== "a") });
  assertEquals(await atPrompt(["rm", "-rf", "d"], undefined), { told: [], left: ["a", "k"] });
});

Deno.test("rm -r counts only what is there, and fails without a question if nothing is", NOT_ON_WINDOWS, async () => {
  const { told, left } = await atPrompt(["rm", "-r", "nothing", "a", "k/x", "nothing/x"], "n");
  assertEquals([told, left], [["Remove 1 file (2 B)? [y/N] ", "Nothing was removed."], ALL]);
  for (const name of ["nothing", "nothing/x", "k/x"]) {
    const { message } = await failsWith(atPrompt(["rm", "-r", name], "y"), "NotFound");
    assertEquals(message, `Cannot remove "${name}": no such file or directory`);
  }
  const prepare = (there: string) => Deno.symlinkSync("nowhere", join(there, "broken"));
  assertEquals(await atPrompt(["rm", "-r", "broken"], "y", prepare), {
    told: ["Remove 1 file (0 B)? [y/N] "],
    left: ALL,
  });
});

Deno.test("rm -r lists the directory of many targets once before it asks", async () => {
  const names = Array.from({ length: 300 }, (_, i) => `many/d${i}`);
  let listings = () => 0;
  const prepare = (there: string, { events }: Served) => {
    listings = () => events.of("command").filter(({ command }) => command === "dir").length;
    for (const name of names) Deno.mkdirSync(join(there, name), { recursive: true });
    Deno.writeTextFileSync(join(there, "many/d7/x"), "123");
  };
  const { told } = await atPrompt(["rm", "-r", "many/*"], "n", prepare);
  assertEquals(told[0], "Remove 300 directories and 1 file (3 B)? [y/N] ");
  // For the pattern, for what it matches, and one for what is in each.
  assertEquals(listings(), 302);
});

Deno.test("rm -r counts a link as a file without content", NOT_ON_WINDOWS, async () => {
  const prepare = (there: string) => {
    Deno.symlinkSync("../d", join(there, "d", "up"));
    Deno.symlinkSync("d/e", join(there, "link"));
    Deno.symlinkSync("a", join(there, "file"));
  };
  const { told, left } = await atPrompt(["rm", "-r", "link", "file", "k"], "y", prepare);
  assertEquals(told, ["Remove 3 files (1 B)? [y/N] "]);
  assertEquals(left, [...ALL.filter((path) => path !== "k"), "d/up (special)"].sort());
  assertEquals(
    (await atPrompt(["rm", "-r", "d/e"], "n", prepare)).told[0],
    "Remove 1 directory and 2 files (4 B)? [y/N] ",
  );
});
