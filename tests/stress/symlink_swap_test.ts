import { assertEquals, assertGreater } from "@std/assert";
import { FerryError } from "../../lib/core/errors.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { at, entriesOf, store, textOf } from "../helpers/storage.ts";
import { type Escape, escapeOf, interrupting, SECRET, SwapScene } from "../helpers/swaps.ts";

/** What each operation shows of the served directory. */
const OPERATIONS: Readonly<Record<string, (storage: Storage) => Promise<unknown>>> = {
  read: (storage) => textOf(storage, "p/d/f"),
  digest: (storage) => storage.digest(at("p/d/f")),
  blocks: (storage) => storage.blocks(at("p/d/f"), { length: 100 }),
  stat: (storage) => storage.stat(at("p/d/f")),
  list: (storage) => entriesOf(storage, "p/d"),
  "list, recursive": (storage) => entriesOf(storage, "", true),
  "upload of an old name": (storage) => store(storage, "p/d/f", "new"),
  "upload of a new name": (storage) => store(storage, "p/d/new", "new"),
  mkdir: (storage) => storage.mkdir(at("p/d/new")),
  setMetadata: async (storage) => await storage.setMetadata?.(at("p/d/f"), { mtimeMs: 0, mode: 0o777 }),
  "setMetadata of a directory": async (storage) => await storage.setMetadata?.(at("p/d/e"), { mode: 0o777 }),
  rename: (storage) => storage.rename(at("p/d/f"), at("p/d/new")),
  remove: (storage) => storage.remove(at("p/d/f")),
  "remove, recursive": (storage) => storage.remove(at("p/d/e"), { recursive: true }),
};

/**
 * What remains possible, as `docs/security.md` says, to someone who exchanges a directory for a link once, or once and
 * back, at the worst moments: Deno programs have no system calls that look and act at the same time.
 */
const REMAINS: Readonly<Record<string, readonly Escape[]>> = {
  list: ["metadata shown"],
  "list, recursive": ["metadata shown"],
  "upload of an old name": ["empty partial file"],
  "upload of a new name": ["empty partial file"],
  mkdir: ["directory made"],
  rename: ["entry renamed"],
  remove: ["entry removed"],
  "remove, recursive": ["entry removed"],
};

/** Runs an operation with a swap ahead of each of these calls of the system. */
async function run(place: string, name: string, swapAt: readonly number[]) {
  await using scene = await SwapScene.of(place);
  let calls = 0;
  const before = (call: number) => {
    calls++;
    if (swapAt.includes(call)) scene.swap();
  };
  let shown: unknown;
  try {
    shown = await interrupting(before, () => OPERATIONS[name]?.(scene.storage) ?? Promise.reject());
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    shown = error.message;
  }
  return { calls, escape: escapeOf(shown, scene.changes()) };
}

/** Runs an operation with one swap, and with a swap and one back, at all moments; gives what happened outside. */
async function runAll(place: string, name: string): Promise<{ runs: number; escapes: Escape[] }> {
  const { calls, escape } = await run(place, name, []);
  assertEquals(escape, undefined);
  const escapes: (Escape | undefined)[] = [];
  for (let first = 0; first < calls; first++) {
    const { calls, escape } = await run(place, name, [first]);
    escapes.push(escape);
    for (let second = first + 1; second < calls; second++) {
      escapes.push((await run(place, name, [first, second])).escape);
    }
  }
  return { runs: escapes.length, escapes: escapes.filter((escape) => escape !== undefined) };
}

for (const name of Object.keys(OPERATIONS)) {
  Deno.test({
    name: `DirectoryStorage shows and changes nothing outside for ${name} while places are exchanged for links`,
    ignore: Deno.build.os === "windows",
    async fn() {
      const own = await runAll("p/d/f", name);
      assertEquals(own.escapes, [], "when what the path names is exchanged");
      assertGreater(own.runs, 3);
      for (const place of ["p", "p/d"]) {
        const { runs, escapes } = await runAll(place, name);
        assertGreater(runs, 3);
        const remains = REMAINS[name] ?? [];
        assertEquals(escapes.filter((escape) => !remains.includes(escape)), [], `when ${place} is exchanged`);
        if (escapes.length > 0) {
          console.log(`${place}: ${new Set(escapes).values().next().value} in ${escapes.length} of ${runs}`);
        }
      }
    },
  });
}

Deno.test("interrupting() finds an escape when there is one", async () => {
  await using scene = await SwapScene.of("p/d");
  const shown = await interrupting(() => scene.swap(), async () => Deno.openSync(scene.dir.join("root/p/d/f")));
  using _shown = shown;
  assertEquals(shown.statSync().size, SECRET.length);
});
