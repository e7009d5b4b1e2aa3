import { assertEquals } from "@std/assert";
import { walk } from "@std/fs/walk";
import { join } from "@std/path";
import { PROJECT } from "../helpers/process.ts";

/** Where Ferry's own code lies, and that of the adapters, which import each other by the same names. */
const PLACES = {
  match: [/\/(lib|tests|bench|std)\/.*\.ts$/, /\/(server|client)\.ts$/],
  skip: [/\/(node_modules|fixtures)$/],
};

/** The tests of the adapters prove nothing about what Ferry needs. */
const OWN_TESTS = join(PROJECT, "tests", "std");

/** The values that Ferry imports, by module: `{ "@std/path": ["join"] }`. */
async function importedNames(): Promise<Record<string, string[]>> {
  const names = new Map<string, Set<string>>();
  for await (const { path } of walk(PROJECT, { ...PLACES, includeDirs: false })) {
    if (path.startsWith(OWN_TESTS)) continue;
    const imports = (await Deno.readTextFile(path)).matchAll(/^import (?:type )?\{([^}]*)\} from "(@std\/[^"]*)";/gm);
    for (const [text, list = "", module = ""] of imports) {
      if (text.startsWith("import type")) continue;
      const own = names.get(module) ?? new Set();
      for (const item of list.split(",").map((part) => part.trim())) {
        if (item !== "" && !item.startsWith("type ")) own.add(item.split(" as ")[0] ?? item);
      }
      names.set(module, own);
    }
  }
  return Object.fromEntries([...names].sort().map(([module, own]) => [module, [...own].sort()]));
}

/** The values that the adapters export, by module. */
async function exportedNames(): Promise<Record<string, string[]>> {
  const modules: Record<string, string[]> = {};
  for (const { name: directory } of Deno.readDirSync(join(PROJECT, "std"))) {
    const { name, exports } = JSON.parse(await Deno.readTextFile(join(PROJECT, "std", directory, "deno.json"))) as {
      name: string;
      exports: string | Record<string, string>;
    };
    const paths = typeof exports === "string" ? ["."] : Object.keys(exports);
    for (const path of paths) {
      const module = join(name, path);
      modules[module] = Object.keys(await import(module)).sort();
    }
  }
  return modules;
}

Deno.test("std/ exports what Ferry imports, and nothing else", async () => {
  assertEquals(await exportedNames(), await importedNames());
});
