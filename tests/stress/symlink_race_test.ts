import { assertEquals, assertGreater } from "@std/assert";
import { FerryError } from "../../lib/core/errors.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { at, entriesOf, store, textOf } from "../helpers/storage.ts";
import { escapeOf, Swapper, SwapScene } from "../helpers/swaps.ts";

/** How long each place is under attack, in seconds; more in `FERRY_RACE_SECONDS`. */
const SECONDS = Number(Deno.env.get("FERRY_RACE_SECONDS") ?? 0.8);

/** So many exchanges and rounds there must have been, however long that takes on a busy machine. */
const ENOUGH_SWAPS = 100;
const ENOUGH_ROUNDS = 10;

const OPERATIONS: Readonly<Record<string, (storage: Storage) => Promise<unknown>>> = {
  read: (storage) => textOf(storage, "p/d/f"),
  digest: (storage) => storage.digest(at("p/d/f")),
  blocks: (storage) => storage.blocks(at("p/d/f"), { length: 100 }),
  stat: (storage) => storage.stat(at("p/d/f")),
  list: (storage) => entriesOf(storage, "", true),
  upload: (storage) => store(storage, "p/d/f", "new", { mtimeMs: 1_600_000_000_000 }),
  mkdir: (storage) => storage.mkdir(at("p/d/new")),
  rename: (storage) => storage.rename(at("p/d/new"), at("p/d/renamed")),
  remove: (storage) => storage.remove(at("p/d/renamed")),
};

/** Runs all operations again and again while a place is swapped; gives how often which of them reached outside. */
async function attack(swapper: Swapper, place: string) {
  const escapes = new Map<string, number>();
  let rounds = 0;
  let swaps = 0;
  for (
    const end = performance.now() + SECONDS * 1000;
    performance.now() < end || swaps <= ENOUGH_SWAPS || rounds <= ENOUGH_ROUNDS;
  ) {
    await using scene = await SwapScene.of(place);
    swaps += await swapper.during(scene, async () => {
      for (let changed = false, first = rounds; !changed && (performance.now() < end || rounds === first); rounds++) {
        for (const [name, operation] of Object.entries(OPERATIONS)) {
          let shown: unknown;
          try {
            shown = await operation(scene.storage);
          } catch (error) {
            if (!(error instanceof FerryError)) throw error;
          }
          const changes = scene.changes();
          const escape = escapeOf(shown, changes);
          if (escape) escapes.set(`${name}: ${escape}`, (escapes.get(`${name}: ${escape}`) ?? 0) + 1);
          // What was changed would be seen again after the next operation.
          changed = changes.came.length + changes.gone.length > 0;
          if (changed) break;
        }
      }
    });
  }
  return { rounds, swaps, escapes };
}

for (const place of ["p/d/f", "p/d", "p"]) {
  Deno.test({
    name: `DirectoryStorage under attack: ${place} is exchanged for a link to outside and back, as fast as can be`,
    ignore: Deno.build.os === "windows",
    async fn() {
      using swapper = new Swapper();
      const { rounds, swaps, escapes } = await attack(swapper, place);
      console.log(`${rounds} rounds, ${swaps} swaps, reached outside:`, Object.fromEntries(escapes));
      assertGreater(rounds, ENOUGH_ROUNDS);
      assertGreater(swaps, ENOUGH_SWAPS);
      if (place === "p/d/f") assertEquals([...escapes], []);
    },
  });
}
