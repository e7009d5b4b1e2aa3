import { assert, assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { temporaryName } from "../../../lib/storage/directory/temporary_file.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { freeBytes, Hog } from "../../helpers/hog.ts";
import { serveTemp } from "../../helpers/served.ts";
import { at, namesOf } from "../../helpers/storage.ts";

/** What is left for all together, in bytes: too little for what waits of `COUNT` directories, with what each walk has. */
const LEFT_BYTES = 100_000;

const COUNT = 2500;

/** Makes many directories with long names in one, two bytes for each character: more than a walk's own 1 MiB. */
function makeMany(directory: string): string[] {
  const paths = Array.from({ length: COUNT }, (_, i) => `${directory}/${i}-ω${"n".repeat(200)}`);
  for (const path of paths) Deno.mkdirSync(path, { recursive: true });
  return paths;
}

Deno.test("DirectoryStorage.rename() is Busy where there is no memory to measure what is moved, and gives all back", async () => {
  await using served = await serveTemp();
  makeMany(served.inside("d"));
  await served.storage.mkdir(at("deeper"));
  const before = freeBytes();
  {
    using _hog = new Hog(LEFT_BYTES);
    await assertFailsWith("Busy", () => served.storage.rename(at("d"), at("deeper/d")));
  }
  assertEquals(freeBytes(), before);
  assertEquals(await namesOf(served.storage), ["d", "deeper"]);
  await served.storage.rename(at("d"), at("deeper/d"));
  assertEquals(freeBytes(), before);
  assertEquals(await namesOf(served.storage), ["deeper"]);
});

Deno.test("DirectoryStorage.rename() that is cancelled while it measures gives the memory back", async () => {
  await using served = await serveTemp();
  makeMany(served.inside("d"));
  await served.storage.mkdir(at("deeper"));
  const before = freeBytes();
  const abort = new AbortController();
  const renaming = served.storage.rename(at("d"), at("deeper/d"), { signal: abort.signal });
  abort.abort();
  await assertFailsWith("Cancelled", () => renaming);
  assertEquals(freeBytes(), before);
});

Deno.test("DirectoryStorage.sweep() sweeps everything where there is no memory, and gives back what it had", async () => {
  await using served = await serveTemp();
  const weekAgo = new Date(Date.now() - 8 * 24 * 3600 * 1000);
  const left = makeMany(served.inside("d")).flatMap((path, i) => {
    // Some of them deeper, so that those that cannot wait have something in them that has to.
    const directory = i % 100 === 0 ? `${path}/e/f` : path;
    Deno.mkdirSync(directory, { recursive: true });
    const partial = `${directory}/${temporaryName("x")}`;
    Deno.writeTextFileSync(partial, "x");
    Deno.utimeSync(partial, weekAgo, weekAgo);
    return [partial];
  });
  const isThere = (path: string) => Array.from(Deno.readDirSync(dirname(path))).some(({ name }) => path.endsWith(name));
  assert(left.every(isThere));
  const before = freeBytes();
  {
    using _hog = new Hog(LEFT_BYTES);
    await served.storage.sweep(ROOT, { recursive: true });
  }
  assertEquals(left.filter(isThere), []);
  assertEquals(freeBytes(), before);
});
