import { assertEquals, assertMatch } from "@std/assert";
import { complete } from "../../../lib/cli/client/complete.ts";
import { namesOf, SHELL_COMMANDS } from "../../../lib/cli/client/shell_commands.ts";
import { Shell } from "../../../lib/cli/client/shell.ts";
import { serve } from "../../../lib/server/server.ts";
import { at } from "../../helpers/storage.ts";
import { tempDir } from "../../helpers/temp.ts";

/** There a backslash separates directories and cannot also be an escape. */
const WINDOWS = Deno.build.os === "windows";

const CHINESE = "天线 测试 报告.pdf";

/** What `complete` offers on a server that has some files, for a client in a directory that has others. */
async function completions(
  lines: readonly string[],
  remoteDirectory = "",
  onBothSides: readonly string[] = [],
): Promise<[string[], string][]> {
  await using dir = await tempDir();
  const served = dir.join("served");
  const here = dir.join("here");
  for (const path of [dir.join("served", "measurements", "射频"), dir.join("served", "my dir"), here]) {
    await Deno.mkdir(path, { recursive: true });
  }
  for (const name of [CHINESE, "天线15.doc", "it's.txt", "my dir/a b.txt", "measurements/notes.md"]) {
    await Deno.writeTextFile(dir.join("served", name), "x");
  }
  await Deno.writeTextFile(dir.join("here", "local file.txt"), "x");
  for (const name of onBothSides) for (const place of [served, here]) await Deno.writeTextFile(`${place}/${name}`, "x");
  await using server = serve({ root: served, port: 0 });
  const shell = new Shell(server.address, { print: () => Promise.resolve(), inform: () => {} }, false);
  shell.localDirectory = here;
  shell.remoteDirectory = at(remoteDirectory);
  try {
    const found: [string[], string][] = [];
    for (const line of lines) found.push(await complete(shell, line));
    return found;
  } finally {
    await shell.close();
  }
}

Deno.test("complete() offers commands and their aliases", async () => {
  const [all, re, none, quoted] = await completions(["", "re", "zz", "ge"]);
  assertEquals(all?.[0].length, SHELL_COMMANDS.flatMap(namesOf).length);
  assertEquals(re, [["rename ", "remove "], "re"]);
  assertEquals(none, [[], "zz"]);
  assertEquals(quoted, [["get "], "ge"]);
});

Deno.test("complete() offers names on the server, with quotes where they are needed", async () => {
  const [chinese, spaces, quote, nothing, second] = await completions([
    "get 天",
    "get '天线 ",
    'get "it',
    "get zz",
    "mv x 天线1",
  ]);
  assertEquals(chinese, [[`'${CHINESE}' `, "天线15.doc "].sort(), "天"]);
  assertEquals(spaces, [[`'${CHINESE}' `], "'天线 "]);
  assertEquals(quote, [[`"it's.txt" `], '"it']);
  assertEquals(nothing, [[], "zz"]);
  assertEquals(second, [["天线15.doc "], "天线1"]);
});

Deno.test("complete() leaves a directory open so that typing can go on", async () => {
  const [plain, quoted, inside, insideQuoted] = await completions([
    "dir meas",
    "dir my",
    "get measurements/",
    "get 'my dir/a",
  ]);
  assertEquals(plain, [["measurements/"], "meas"]);
  assertEquals(quoted, [["'my dir/"], "my"]);
  assertEquals(inside, [["measurements/notes.md ", "measurements/射频/"], "measurements/"]);
  assertEquals(insideQuoted, [["'my dir/a b.txt' "], "'my dir/a"]);
});

Deno.test("complete() looks in the current directory and never outside the served one", async () => {
  const [here, parent, outside] = await completions(["get no", "get ../天线1", "get ../../"], "measurements");
  assertEquals(here, [["notes.md "], "no"]);
  assertEquals(parent, [["../天线15.doc "], "../天线1"]);
  assertEquals(outside, [[], "../../"]);
});

Deno.test("complete() offers no name that a terminal would obey", { ignore: WINDOWS }, async () => {
  const names = ["nasty.txt", "nasty\u001b[2J", "nasty\n", "nasty\u009b1m", "nasty\u202ecod.exe"];
  const [remote, local] = await completions(["get nas", "put nas"], "", names);
  assertEquals(remote, [["nasty.txt "], "nas"]);
  assertEquals(local, [["nasty.txt "], "nas"]);
});

Deno.test("complete() offers local names where a command takes them", async () => {
  const [put, get, none] = await completions(["put loc", "get x loc", "say loc"]);
  assertEquals(put, [["'local file.txt' "], "loc"]);
  assertEquals(get, [["'local file.txt' "], "loc"]);
  assertEquals(none, [[], "loc"]);
});

Deno.test("complete() goes on after a space that a backslash made part of the name", { ignore: WINDOWS }, async () => {
  const [before, after] = await completions(["get 天线\\ 测", "get 天线\\ "]);
  assertEquals(before, [[`'${CHINESE}' `], "天线\\ 测"]);
  assertEquals(after, [[`'${CHINESE}' `], "天线\\ "]);
});

Deno.test("complete() is silent when there is no server", async () => {
  await using server = serve({ root: Deno.cwd(), port: 0 });
  const { address } = server;
  await server.shutdown();
  const shell = new Shell(address, { print: () => Promise.resolve(), inform: () => {} }, false);
  assertEquals(await complete(shell, "get a"), [[], "a"]);
  assertMatch((await complete(shell, "g"))[0].join(), /^get $/);
});
