import { assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { complete, type Completion } from "../../../lib/cli/client/complete.ts";
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
  { remoteDirectory = "", remote = [], local = [] }: {
    remoteDirectory?: string;
    remote?: readonly string[];
    local?: readonly string[];
  } = {},
): Promise<Completion[]> {
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
  for (const path of [...remote.map((name) => `${served}/${name}`), ...local.map((name) => `${here}/${name}`)]) {
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, "x");
  }
  await using server = serve({ root: served, port: 0 });
  const shell = new Shell(server.address, { print: () => Promise.resolve(), inform: () => {} }, false);
  shell.localDirectory = here;
  shell.remoteDirectory = at(remoteDirectory);
  try {
    const found: Completion[] = [];
    for (const line of lines) found.push(await complete(shell, line, new AbortController().signal));
    return found;
  } finally {
    await shell.close();
  }
}

/** What one name is completed to, which is the only one that fits. */
function one(typed: string, word: string, name = word.trim()): Completion {
  return { typed, word, names: [name], count: 1 };
}

/** What is offered when several names fit. */
function several(typed: string, word: string, names: string[]): Completion {
  return { typed, word, names, count: names.length };
}

function nothing(typed: string): Completion {
  return { typed, word: typed, names: [], count: 0 };
}

Deno.test("complete() offers commands and their aliases, also to help", async () => {
  const [all, re, none, ge, help] = await completions(["", "re", "zz", "ge", "help ge"]);
  assertEquals(all, several("", "", SHELL_COMMANDS.flatMap(namesOf)));
  assertEquals(re, several("re", "re", ["rename", "remove"]));
  assertEquals(none, nothing("zz"));
  assertEquals(ge, one("ge", "get "));
  assertEquals(help, one("ge", "get "));
});

Deno.test("complete() offers the options of a command, and names after them", async () => {
  const [re, all, none, after, value, file, dashes] = await completions([
    "get --re",
    "rm -",
    "cd --",
    "get -r --checksum meas",
    "get --connections 3",
    "get --exclude-from loc",
    "get -- --re",
  ]);
  assertEquals(re, several("--re", "--re", ["--recursive", "--retry-for"]));
  assertEquals(all, several("-", "--", ["--recursive", "--force", "--help"]));
  assertEquals(none, one("--", "--help "));
  assertEquals(after, one("meas", "measurements", "measurements/"));
  assertEquals(value, nothing("3"));
  assertEquals(file, one("loc", "'local file.txt' ", "local file.txt"));
  assertEquals(dashes, nothing("--re"));
});

Deno.test("complete() offers names on the server, with quotes where they are needed", async () => {
  const [chinese, spaces, quote, none, second] = await completions([
    "get 天",
    "get '天线 ",
    'get "it',
    "get zz",
    "mv x 天线1",
  ]);
  assertEquals(chinese, several("天", "天线", [CHINESE, "天线15.doc"]));
  assertEquals(spaces, one("'天线 ", `'${CHINESE}' `, CHINESE));
  assertEquals(quote, one('"it', `"it's.txt" `, "it's.txt"));
  assertEquals(none, nothing("zz"));
  assertEquals(second, one("天线1", "天线15.doc "));
});

Deno.test("complete() leaves a directory open so that typing can go on", async () => {
  const [plain, quoted, inside, insideQuoted] = await completions([
    "dir meas",
    "dir my",
    "get measurements/",
    "get 'my dir/a",
  ]);
  assertEquals(plain, one("meas", "measurements/"));
  assertEquals(quoted, one("my", "'my dir/", "my dir/"));
  assertEquals(inside, several("measurements/", "measurements/", ["notes.md", "射频/"]));
  assertEquals(insideQuoted, one("'my dir/a", "'my dir/a b.txt' ", "a b.txt"));
});

Deno.test("complete() leaves away the slash that would mean the content of a source", async () => {
  const [get, second, put, target, remove] = await completions([
    "get -r meas",
    "get a meas",
    "put -r her",
    "put a meas",
    "rm -r meas",
  ], { local: ["here/x"] });
  assertEquals(get, one("meas", "measurements", "measurements/"));
  assertEquals(second, one("meas", "measurements", "measurements/"));
  assertEquals(put, one("her", "here", "here/"));
  assertEquals(target, one("meas", "measurements/"));
  assertEquals(remove, one("meas", "measurements/"));
});

Deno.test("complete() offers several sources to get and put, and only directories to cd and lcd", async () => {
  const [get, put, cd, lcd] = await completions(["get a b 天线1", "put a b loc", "cd m", "lcd l"], {
    remote: ["moon.txt"],
    local: ["lost/x"],
  });
  assertEquals(get, one("天线1", "天线15.doc "));
  assertEquals(put, one("loc", "'local file.txt' ", "local file.txt"));
  assertEquals(cd, several("m", "m", ["measurements/", "my dir/"]));
  assertEquals(lcd, one("l", "lost/"));
});

Deno.test("complete() looks in the current directory and never outside the served one", async () => {
  const [here, parent, outside] = await completions(["get no", "get ../天线1", "get ../../"], {
    remoteDirectory: "measurements",
  });
  assertEquals(here, one("no", "notes.md "));
  assertEquals(parent, one("../天线1", "../天线15.doc ", "天线15.doc"));
  assertEquals(outside, nothing("../../"));
});

Deno.test("complete() offers no name that a terminal would obey", { ignore: WINDOWS }, async () => {
  const names = ["nasty.txt", "nasty\u001b[2J", "nasty\n", "nasty\u009b1m", "nasty\u202ecod.exe"];
  const [remote, local] = await completions(["get nas", "put nas"], { remote: names, local: names });
  assertEquals(remote, one("nas", "nasty.txt "));
  assertEquals(local, one("nas", "nasty.txt "));
});

Deno.test("complete() makes no option of a name that begins with a dash", async () => {
  const [first, second] = await completions(["rm ", "rm ./-d"], {
    remoteDirectory: "dashes",
    remote: ["dashes/-dash"],
  });
  assertEquals(first, one("", "./-dash ", "-dash"));
  assertEquals(second, one("./-d", "./-dash ", "-dash"));
});

Deno.test("complete() says what thousands of names have in common, and counts them", async () => {
  // The last one is shorter, and half of a character is none.
  const names = Array.from({ length: 600 }, (_, i) => `many-${String(i).padStart(3, "0")}`);
  const [remote, local, emoji] = await completions(["get ma", "put ma", "get e"], {
    remote: [...names, "mano", "e\u{1f600}", "e\u{1f601}"],
    local: [...names, "mano"],
  });
  for (const found of [remote, local]) {
    assertEquals(found?.word, "man");
    assertEquals(found?.count, 601);
    assertEquals(found?.names.length, 601);
  }
  assertEquals(emoji?.word, "e");
});

Deno.test("complete() offers local names where a command takes them", async () => {
  const [put, get, none] = await completions(["put loc", "get x loc", "say loc"]);
  assertEquals(put, one("loc", "'local file.txt' ", "local file.txt"));
  assertEquals(get, one("loc", "'local file.txt' ", "local file.txt"));
  assertEquals(none, nothing("loc"));
});

Deno.test("complete() offers names on both sides in order", async () => {
  const names = ["z", "b", "\u{ff5e}", "a", "\u{1f600}", "y", "c"];
  const sorted = ["a", "b", "c", "y", "z", "\u{ff5e}", "\u{1f600}"].map((name) => `n${name}`);
  const paths = names.map((name) => `n${name}`);
  const found = await completions(["get n", "put n"], { remote: paths, local: paths });
  for (const { names } of found) assertEquals(names, sorted);
});

Deno.test("complete() goes on after a space that a backslash made part of the name", { ignore: WINDOWS }, async () => {
  const [before, after] = await completions(["get 天线\\ 测", "get 天线\\ "]);
  assertEquals(before, one("天线\\ 测", `'${CHINESE}' `, CHINESE));
  assertEquals(after, one("天线\\ ", `'${CHINESE}' `, CHINESE));
});

Deno.test("complete() is silent when there is no server", async () => {
  await using server = serve({ root: Deno.cwd(), port: 0 });
  const { address } = server;
  await server.shutdown();
  const shell = new Shell(address, { print: () => Promise.resolve(), inform: () => {} }, false);
  const { signal } = new AbortController();
  assertEquals(await complete(shell, "get a", signal), nothing("a"));
  assertEquals(await complete(shell, "g", signal), one("g", "get "));
});

Deno.test("complete() gives up when it is cancelled", async () => {
  await using server = serve({ root: Deno.cwd(), port: 0 });
  const shell = new Shell(server.address, { print: () => Promise.resolve(), inform: () => {} }, false);
  assertEquals(await complete(shell, "get lib", AbortSignal.abort()), nothing("lib"));
  await shell.close();
});
