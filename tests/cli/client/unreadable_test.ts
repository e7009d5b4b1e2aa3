import { assertEquals, assertStringIncludes } from "@std/assert";
import { Exit } from "../../../lib/cli/terminal/exit.ts";
import { connect, type Entry } from "../../../lib/mod.ts";
import { Served } from "../../helpers/raw.ts";
import { tempDir } from "../../helpers/temp.ts";
import { pathsIn, runCommand } from "../../helpers/trees.ts";

/** A server that may not list, or not to the end, what is in `a/closed`. */
function servedWithClosed(): Promise<Served> {
  return Served.with({ "a/closed/x.txt": "x", "a/open.txt": "open", "b.txt": "b" }, {}, (storage) => ({
    async *list(path, options) {
      const names = await Array.fromAsync(storage.list(path, options));
      for (const entry of names) {
        if (/(^|\/)closed\//.test(entry.path)) continue;
        const isClosed = options?.recursive && /(^|\/)closed$/.test(entry.path);
        yield { ...entry, ...(isClosed ? { unreadable: true, reason: REASON } : {}) } satisfies Entry;
      }
    },
  }));
}

/** The reason that is given, after the path of the directory as the user knows it. */
const REASON = "permission denied";

for (
  const [command, path, printed, copied] of [
    ["dir -r", "a/closed", ["a", "a/closed", "a/open.txt", "b.txt"], []],
    ["dir -r a", "a/closed", ["closed", "open.txt"], []],
    ["get -r . all", "a/closed", [], ["all/", "all/a/", "all/a/closed/", "all/a/open.txt", "all/b.txt"]],
    ["get -r a", "a/closed", [], ["a/", "a/closed/", "a/open.txt"]],
    // What is meant may be in the directory, which does not match itself.
    ["get **/*.txt", "a/closed", [], ["a/", "a/open.txt", "b.txt"]],
    ["get a/**/x.txt", "a/closed", [], []],
  ] as const
) {
  Deno.test(`${command} says that what is in a directory is missing, and fails`, async () => {
    await using served = await servedWithClosed();
    await using local = await tempDir();
    const { code, output, news } = await runCommand(served.address, local.path, command.split(" "));
    assertStringIncludes(news, `Cannot list "${path}": ${REASON}`);
    // What one directory in a tree lacks is no refusal of the whole.
    assertEquals(code, command.startsWith("get") ? Exit.failed : Exit.refused, news);
    if (command.startsWith("get")) assertStringIncludes(news, ", 1 failed.");
    assertEquals(output.split("\n").filter(Boolean).map((line) => line.split(" ").at(-1)?.replace(/\/$/, "")), [
      ...printed,
    ]);
    assertEquals(pathsIn(local.path), [...copied]);
  });
}

Deno.test("a listing that is complete is no failure", async () => {
  await using served = await Served.with({ "a/closed/x.txt": "x" });
  await using local = await tempDir();
  for (const command of ["dir -r", "get -r a", "get **/*.txt", "remove -r a"]) {
    const { code, news } = await runCommand(served.address, local.path, command.split(" "));
    assertEquals(code, 0, news);
  }
});

Deno.test("a directory that may not be listed is shown like any other without -r", async () => {
  await using served = await servedWithClosed();
  await using client = await connect(served.address);
  const entries = await Array.fromAsync(client.dir("a"));
  assertEquals(entries.map(({ path, unreadable }) => [path, unreadable]), [["closed", undefined], [
    "open.txt",
    undefined,
  ]]);
});
