import { assertEquals } from "@std/assert";
import { FerryError } from "../lib/protocol/errors.ts";
import { type Moments, Moving } from "./helpers/moving.ts";
import { at } from "./helpers/storage.ts";

/** Few files are read at once and dealt with in one step; many take many steps, and their directory is read in parts. */
const SIZES: Readonly<Record<string, number>> = { "few files": 3, "many files": 3000 };

/** Names that are long enough for many of them to make a directory large. */
const names = (count: number) => Array.from({ length: count }, (_, i) => `quite a long name, number ${i}`);

/** What an operation throws that is a failure for clients, too. */
async function failureOf(operation: () => Promise<unknown>): Promise<FerryError | undefined> {
  try {
    await operation();
  } catch (error) {
    if (error instanceof FerryError) return error;
    throw error;
  }
  return undefined;
}

for (const [what, count] of Object.entries(SIZES)) {
  for (const moments of ["calls", "turns"] satisfies Moments[]) {
    Deno.test({
      name:
        `DirectoryStorage.remove() of ${what} removes nothing outside while directories are exchanged at ${moments}`,
      ignore: Deno.build.os === "windows",
      async fn() {
        await using moving = await Moving.with(names(count));
        for (let i = 0; i < 20; i++) {
          const path = at("box/vic/precious");
          const failure = await failureOf(() =>
            moving.during(moments, () => moving.storage.remove(path, { recursive: true }))
          );
          if (failure) assertEquals(["Changed", "NotFound", "NotEmpty"].includes(failure.code), true, String(failure));
        }
        moving.assertUntouched();
      },
    });
  }
}
