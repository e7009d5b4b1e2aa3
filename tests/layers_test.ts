import { assert, assertEquals } from "@std/assert";
import { walk } from "@std/fs/walk";
import { join, relative, toFileUrl } from "@std/path";
import { DENO, PROJECT } from "./helpers/process.ts";

/** The layers from the lowest to the highest; a file may import from its own layer and lower ones. */
const LAYERS: readonly (readonly string[])[] = [
  ["lib/core/"],
  ["lib/protocol/"],
  ["lib/transport/"],
  ["lib/auth/"],
  ["lib/storage/"],
  ["lib/access/"],
  ["lib/transfer/"],
  ["lib/server/", "lib/client/"],
  ["lib/cli/terminal/"],
  ["lib/cli/server/", "lib/cli/client/"],
  ["server.ts", "client.ts", "lib/mod.ts"],
];

/** Parts of one layer that must not know each other. */
const STRANGERS: readonly (readonly [string, string])[] = [
  ["lib/server/", "lib/client/"],
  ["lib/cli/server/", "lib/cli/client/"],
];

const ENTRY_POINTS = ["server.ts", "client.ts", "lib/mod.ts"];

/** The files of the project that each file of it imports, by path; imports of types count, too. */
type Imports = ReadonlyMap<string, readonly string[]>;

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

const ROOT = toFileUrl(PROJECT).href;

/** The path of one of the project's own source files, or undefined for anything else. */
function ownPath(specifier: string | undefined): string | undefined {
  if (!specifier?.startsWith(ROOT)) return undefined;
  const path = decodeURIComponent(specifier.slice(ROOT.length));
  return path.endsWith(".ts") && !path.startsWith("std/") ? path : undefined;
}

async function importsFrom(entry: string): Promise<[string, string[]][]> {
  const { success, stdout, stderr } = await new Deno.Command(DENO, { args: ["info", "--json", entry], cwd: PROJECT })
    .output();
  assert(success, new TextDecoder().decode(stderr));
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: readonly Module[] };
  return modules.flatMap(({ specifier, dependencies = [] }): [string, string[]][] => {
    const path = ownPath(specifier);
    const targets = dependencies.flatMap(({ code, type }) => [ownPath(code?.specifier), ownPath(type?.specifier)]);
    return path === undefined ? [] : [[path, [...new Set(targets.filter((target) => target !== undefined))]]];
  });
}

async function allImports(): Promise<Imports> {
  const imports = new Map((await Promise.all(ENTRY_POINTS.map(importsFrom))).flat());
  for (const entry of ENTRY_POINTS) assert(imports.get(entry)?.length, `no imports of ${entry} were found`);
  return imports;
}

/** The index of a file's layer; -1 when it has none. */
function layerOf(path: string): number {
  return LAYERS.findIndex((parts) =>
    parts.some((part) => path === part || part.endsWith("/") && path.startsWith(part))
  );
}

function describeImports(imports: Imports, forbidden: (from: string, to: string) => boolean): string[] {
  return [...imports].flatMap(([from, targets]) =>
    targets.filter((to) => forbidden(from, to)).map((to) => `${from} imports ${to}`)
  );
}

/** The circles that a search in depth comes upon, each as `a -> b -> a`. */
function circles(imports: Imports): string[] {
  const found: string[] = [];
  const finished = new Set<string>();
  const way: string[] = [];
  const visit = (path: string) => {
    if (finished.has(path)) return;
    const at = way.indexOf(path);
    if (at >= 0) {
      found.push([...way.slice(at), path].join(" -> "));
      return;
    }
    way.push(path);
    for (const target of imports.get(path) ?? []) visit(target);
    way.pop();
    finished.add(path);
  };
  for (const path of imports.keys()) visit(path);
  return found;
}

Deno.test("circles() finds circles of two and of three files, and none where there is none", () => {
  assertEquals(circles(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]])), []);
  assertEquals(circles(new Map([["a", ["b"]], ["b", ["a"]]])), ["a -> b -> a"]);
  assertEquals(circles(new Map([["x", ["a"]], ["a", ["b"]], ["b", ["c"]], ["c", ["a"]]])), ["a -> b -> c -> a"]);
});

Deno.test("lib/ has a layer for every file, and every file of lib/ is reached from an entry point", async () => {
  const imports = await allImports();
  assertEquals([...imports.keys()].filter((path) => layerOf(path) < 0), []);
  const present = (await Array.fromAsync(walk(join(PROJECT, "lib"), { exts: [".ts"] })))
    .map(({ path }) => relative(PROJECT, path));
  assertEquals(present.filter((path) => !imports.has(path)), []);
});

Deno.test("lib/ imports from its own layer or a lower one only", async () => {
  const imports = await allImports();
  assertEquals(describeImports(imports, (from, to) => layerOf(from) < layerOf(to)), []);
});

Deno.test("lib/ keeps the server and the client apart", async () => {
  const imports = await allImports();
  const between = (from: string, to: string) =>
    STRANGERS.some(([a, b]) => from.startsWith(a) && to.startsWith(b) || from.startsWith(b) && to.startsWith(a));
  assertEquals(describeImports(imports, between), []);
});

/** The files that `entry` loads, itself included, that lie under one of `parts`. */
async function reached(entry: string, parts: readonly string[]): Promise<string[]> {
  const paths = (await importsFrom(entry)).map(([path]) => path);
  assert(paths.length > 1, `no imports of ${entry} were found`);
  return paths.filter((path) => parts.some((part) => path.startsWith(part)));
}

Deno.test("client.ts loads nothing of the server", async () => {
  assertEquals(await reached("client.ts", ["server.ts", "lib/server/", "lib/access/", "lib/cli/server/"]), []);
});

Deno.test("server.ts loads nothing of the client", async () => {
  assertEquals(await reached("server.ts", ["client.ts", "lib/client/", "lib/transfer/", "lib/cli/client/"]), []);
});

Deno.test("lib/ imports nothing in a circle, types included", async () => {
  assertEquals(circles(await allImports()), []);
});

Deno.test("lib/core and lib/protocol do no I/O: it imports nothing of the system but CRC and buffers", async () => {
  const allowed = new Set(["node:zlib", "node:buffer"]);
  const { stdout } = await new Deno.Command(DENO, { args: ["info", "--json", "lib/mod.ts"], cwd: PROJECT }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: readonly Module[] };
  const pure = modules.filter(({ specifier }) => /^lib\/(core|protocol)\//.test(ownPath(specifier) ?? ""));
  assert(pure.length > 0);
  const others = pure.flatMap(({ specifier, dependencies = [] }) =>
    dependencies.map(({ code }) => code?.specifier ?? "").filter((target) =>
      target !== "" && ownPath(target) === undefined && !allowed.has(target)
    ).map((target) => `${specifier} imports ${target}`)
  );
  assertEquals(others, []);
});
