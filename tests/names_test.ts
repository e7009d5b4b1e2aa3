import { assert, assertEquals } from "@std/assert";
import { walk } from "@std/fs/walk";
import { basename, join, relative } from "@std/path";
import { PROJECT } from "./helpers/process.ts";

/** A declaration that a file exports; what it only passes on with `export { … } from` is another file's. */
const EXPORTED =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;

/** The TypeScript files in a directory, as paths in the project. */
async function filesIn(directory: string): Promise<string[]> {
  const entries = await Array.fromAsync(walk(join(PROJECT, directory), { exts: [".ts"], includeDirs: false }));
  return entries.map(({ path }) => relative(PROJECT, path)).sort();
}

/** The paths that have a key in common, by that key. */
function shared(keys: Iterable<readonly [key: string, path: string]>): Record<string, string[]> {
  const paths = new Map<string, Set<string>>();
  for (const [key, path] of keys) paths.set(key, (paths.get(key) ?? new Set()).add(path));
  return Object.fromEntries([...paths].filter(([, { size }]) => size > 1).map(([key, own]) => [key, [...own]]));
}

Deno.test("lib/ has no two files of one name", async () => {
  const files = (await filesIn("lib")).filter((path) => basename(path) !== "mod.ts");
  assert(files.length > 100);
  assertEquals(shared(files.map((path) => [basename(path), path] as const)), {});
});

Deno.test("lib/ has no two exports of one name", async () => {
  const names = (await filesIn("lib")).flatMap((path) =>
    Array.from(Deno.readTextFileSync(join(PROJECT, path)).matchAll(EXPORTED), ([, name = ""]) => [name, path] as const)
  );
  assert(names.length > 300);
  assertEquals(shared(names), {});
});

Deno.test("tests/ has a directory for every layer, and no other but those that are about all of them", async () => {
  const directoriesIn = async (place: string) =>
    (await Array.fromAsync(walk(join(PROJECT, place), { includeFiles: false })))
      .map(({ path }) => relative(join(PROJECT, place), path)).filter((path) => path !== "").sort();
  const about = /^(std|process|stress|soak|fuzz|helpers|storage\/conformance)(\/|$)/;
  assertEquals((await directoriesIn("tests")).filter((path) => !about.test(path)), await directoriesIn("lib"));
});

Deno.test("docs/security.md names tests that are there", async () => {
  const files = (await filesIn("tests")).map((path) => basename(path, ".ts"));
  const text = await Deno.readTextFile(join(PROJECT, "docs", "security.md"));
  const named = Array.from(text.matchAll(/`([\w*]+_test)`/g), ([, name = ""]) => name);
  assert(named.length > 50);
  const isThere = (name: string) => files.some((file) => new RegExp(`^${name.replaceAll("*", ".+")}$`).test(file));
  assertEquals(named.filter((name) => !isThere(name)), []);
});
