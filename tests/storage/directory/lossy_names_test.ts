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
    // A line each, with a path of its own.
    const paths = ["b\ufffd", "c\ufffd", "d\ufffd", "e\ufffd", "e\ufffd\ufffd"];
    assertEquals(others, paths.map((path) => ({ path, ...NOT_UTF8 })));
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
      assertEquals((await entriesOf(storage, "d", recursive)).map((entry) => `${entry.kind} ${entry.path}`), [
        `${kind} b\ufffd`,
        "other b\ufffd\ufffd",
        "other b\ufffd\ufffd\ufffd",
        "file c",
      ]);
    }
    if (kind === "file") assertEquals(await textOf(storage, path), "real");
  }
});

Deno.test("DirectoryStorage.list() lists as many names as there are, whatever they look like", ON_LINUX, async () => {
  await using served = await serveTemp();
  await store(served.storage, "b\ufffd\ufffd", "real");
  await shell(served, `for i in 1 2 3 4 5; do touch "$(printf "b\\\\37$i")" "$(printf "b\\\\37$i\\\\376")"; done`);
  for (const recursive of [false, true]) {
    const entries = await entriesOf(served.storage, "", recursive);
    assertEquals(entries.map(({ path }) => path), Array.from({ length: 11 }, (_, i) => `b${"\ufffd".repeat(i + 1)}`));
    assertEquals(entries.filter(({ kind }) => kind === "file").map(({ path }) => path), ["b\ufffd\ufffd"]);
  }
});

Deno.test("DirectoryStorage.list() says where a name is not UTF-8 and too long to be sent", ON_LINUX, async () => {
  await using served = await serveTemp();
  await shell(served, `mkdir d; touch d/a "d/$(head -c 255 /dev/zero | tr '\\0' '\\377')"`);
  const [directory, ...others] = await entriesOf(served.storage, "", true);
  assertEquals([directory?.unreadable, directory?.reason], [true, "something in it has a path that is too long"]);
  assertEquals(others.map(({ path }) => path), ["d/a"]);
});

Deno.test("DirectoryStorage.list() ends with a failure where too many names look the same", ON_LINUX, async () => {
  await using served = await serveTemp();
  await shell(
    served,
    `for byte in 376 377; do seq 5000 | LC_ALL=C sed "s/\$/$(printf "\\\\$byte")/" | xargs touch; done`,
  );
  const { message } = await assertFailsWith("InvalidPath", () => entriesOf(served.storage));
  assertMatch(message, /several names that are not UTF-8 look like "\d+\ufffd"/);
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
