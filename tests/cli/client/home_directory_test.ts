import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { complete } from "../../../lib/cli/client/complete.ts";
import { expandHome } from "../../../lib/cli/client/home_directory.ts";
import { Shell } from "../../../lib/cli/client/shell.ts";
import { assertThrowsCode } from "../../helpers/failures.ts";
import { assertFile, namesIn } from "../../helpers/raw.ts";
import { tempDir } from "../../helpers/temp.ts";
import { Visit } from "../../helpers/visit.ts";

/** Runs something while the home directory is another one, or unknown. */
async function withHome(home: string | undefined, run: () => Promise<void> | void): Promise<void> {
  const before = Deno.env.get("HOME");
  const set = (value: string | undefined) =>
    value === undefined ? Deno.env.delete("HOME") : Deno.env.set("HOME", value);
  set(home);
  try {
    await run();
  } finally {
    set(before);
  }
}

Deno.test("expandHome() takes only a ~ in front for the home directory", async () => {
  await withHome("/home/me", () => {
    for (const name of ["", "a", "./~", "a/~", "./~/x", "a~", "/~"]) assertEquals(expandHome(name), name);
    assertEquals(expandHome("~"), "/home/me");
    assertEquals(expandHome("~/"), "/home/me/");
    assertEquals(expandHome("~/a/~"), "/home/me/a/~");
  });
});

Deno.test("expandHome() refuses the home of others, and one that is not known, and says how to mean the name", async () => {
  const { message } = assertThrowsCode("InvalidPath", () => expandHome("~you/x"));
  assertEquals(message, 'Cannot use "~you/x": the home of others is not known; "./~you/x" is the name as it stands');
  for (const home of [undefined, ""]) {
    await withHome(home, () => {
      const { message } = assertThrowsCode("Refused", () => expandHome("~/dl"));
      assertMatch(message, /^Cannot use "~\/dl": HOME is not set.*; "\.\/~\/dl" is the name as it stands$/);
    });
  }
});

Deno.test("get, put, lcd and completion know the home directory, and make nothing called ~", async () => {
  await using visit = await Visit.to({}, { "aa": "1" });
  await using home = await tempDir();
  Deno.mkdirSync(home.join("dl"));
  Deno.writeTextFileSync(home.join("one"), "one");
  Deno.writeTextFileSync(visit.here.join("~b"), "b");
  await withHome(home.path, async () => {
    await visit.run("get", "aa", "~/dl/");
    await visit.run("put", "~/o*", "up/");
    await visit.run("put", "-r", "--exclude-from", "~/one", "~/dl/", "tree");
    await visit.run("put", "./~b", "~b");
    const { signal } = new AbortController();
    assertEquals((await complete(visit.shell, "put ~/d", signal)).word, "~/dl");
    assertEquals((await complete(visit.shell, "put ~", signal)).word, "./~b ");
    await visit.fails("InvalidPath", "get", "aa", "~b");
    await visit.run("lcd", "~/dl");
    assertEquals(visit.shell.localDirectory, home.join("dl"));
    await visit.run("lcd");
    assertEquals(visit.shell.localDirectory, home.path);
  });
  await assertFile(home.join("dl/aa"), "1");
  await assertFile(visit.served.join("up/one"), "one");
  await assertFile(visit.served.join("tree/aa"), "1");
  await assertFile(visit.served.join("~b"), "b");
  assertEquals(await namesIn(visit.here.path), ["~b"]);
});

Deno.test("open finds a ticket's file in the home directory", async () => {
  await using visit = await Visit.to({});
  await using home = await tempDir();
  await withHome(home.path, async () => {
    const { message } = await visit.run("open", "~/ticket").then(() => new Error("no failure"), (error) => error);
    assertStringIncludes(message, JSON.stringify(home.join("ticket")));
  });
});

Deno.test("a shell has replaced each ~ of the command line, and the others are names", async () => {
  await using visit = await Visit.to({});
  const shell = new Shell(visit.served.address, { print: () => Promise.resolve(), inform() {} }, true);
  await withHome("/home/me", () => assertEquals(shell.local("~/x"), "~/x"));
  await shell.close();
});
