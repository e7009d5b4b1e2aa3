import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailsWith } from "../../helpers/failures.ts";
import { type Served, serveTemp } from "../../helpers/served.ts";
import { at, entriesOf, store, textOf } from "../../helpers/storage.ts";
import { interrupting } from "../../helpers/swaps.ts";

/** Elsewhere the system allows no such names. */
const ON_LINUX = { ignore: Deno.build.os !== "linux" };

/** Runs a script of the shell in the served directory: Deno itself cannot make names that are not UTF-8. */
async function shell({ root }: Served, script: string): Promise<void> {
  const { success } = await new Deno.Command("sh", { args: ["-c", script], cwd: root }).output();
  assert(success);
}

const NOT_UTF8 = { kind: "other", size: 0, mtimeMs: 0, reason: "its name is not UTF-8" } as const;

Deno.test("DirectoryStorage.list() says of names that are not UTF-8 that they are not served", ON_LINUX, async () => {
  await using served = await serveTemp();
  await store(served.storage, "a", "x");
  // A file, a directory with something in it, a link, and two whose names look the same.
  await shell(
    served,
    `touch "$(printf 'b\\377')"; mkdir "$(printf 'c\\377')"; touch "$(printf 'c\\377/x')"; ` +
      `ln -s a "$(printf 'd\\377')"; touch "$(printf 'e\\376')" "$(printf 'e\\377')"`,
  );
  for (const recursive of [false, true]) {
    const [first, ...others] = await entriesOf(served.storage, "", recursive);
    assertEquals(first?.path, "a");
    assertEquals(others, ["b", "c", "d", "e"].map((name) => ({ path: `${name}\ufffd`, ...NOT_UTF8 })));
  }
  for (const { path } of (await entriesOf(served.storage)).slice(1)) {
    await assertFailsWith("NotFound", () => served.storage.read(at(path)));
  }
});

Deno.test("DirectoryStorage.list() opens nothing for names that are not UTF-8", ON_LINUX, async () => {
  await using served = await serveTemp();
  await shell(served, `mkdir "$(printf 'c\\377')"; touch "$(printf 'c\\377/x')"`);
  const original = Deno.readDirSync;
  const read: string[] = [];
  Deno.readDirSync = (path) => {
    read.push(String(path));
    return original(path);
  };
  try {
    await entriesOf(served.storage, "", true);
  } finally {
    Deno.readDirSync = original;
  }
  assertEquals(read, [served.root]);
});

Deno.test("DirectoryStorage.list() tells a name with U+FFFD in it from one that looks like it", ON_LINUX, async () => {
  for (const kind of ["file", "directory"] as const) {
    await using served = await serveTemp();
    const { storage } = served;
    await storage.mkdir(at("d"));
    const path = "d/b\ufffd";
    if (kind === "file") await store(storage, path, "real");
    else await storage.mkdir(at(path));
    // By itself it is what it is.
    assertEquals((await entriesOf(storage, "", true)).map((entry) => [entry.path, entry.kind]), [
      ["d", "directory"],
      [path, kind],
    ]);
    await shell(served, `touch "$(printf 'd/b\\377')"; mkdir "$(printf 'd/b\\376')"; touch d/c`);
    for (const recursive of [true, false]) {
      const listed: string[] = [];
      const { message } = await assertFailsWith("InvalidPath", async () => {
        for await (const entry of storage.list(at("d"), { recursive })) listed.push(`${entry.kind} ${entry.path}`);
      });
      assertEquals(listed, kind === "file" ? ["file b\ufffd", "file c"] : ["directory b\ufffd", "file c"]);
      assertMatch(message, /beside "b\ufffd" there is something whose name is not UTF-8/);
    }
    if (kind === "file") assertEquals(await textOf(storage, path), "real");
  }
});

Deno.test("DirectoryStorage.list() lists a name that is not UTF-8 among very many", ON_LINUX, async () => {
  await using served = await serveTemp();
  await served.storage.mkdir(at("d"));
  await shell(
    served,
    `i=0; while [ $i -lt 3000 ]; do : > "d/quite a long name, number $i"; i=$((i+1)); done; : > "$(printf 'd/m\\377')"`,
  );
  // It takes several steps, and the directory is read with asynchronous calls.
  const calls = new Set<number>();
  const entries = await interrupting((call) => calls.add(call), () => entriesOf(served.storage, "", true));
  assertEquals(entries.length, 3002);
  assertEquals(entries.filter(({ kind }) => kind === "other"), [{ path: "d/m\ufffd", ...NOT_UTF8 }]);
});
