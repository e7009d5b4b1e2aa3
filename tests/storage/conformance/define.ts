import { assert } from "@std/assert";
import { FerryError } from "../../../lib/core/errors.ts";
import type { Storage } from "../../../lib/storage/storage.ts";

/** Defines one test, with an empty storage: `name.symbol() does X`. */
export type Define = (symbol: string, does: string, test: (storage: Storage) => Promise<void>) => void;

/** A time in ms since 1970 that no file gets by itself. */
export const LONG_AGO = Date.UTC(2001, 1, 3, 4, 5, 6, 789);

/** Fails unless `operation` fails as one does on something below a file: `NotFound` or `NotADirectory`. */
export async function assertNoWay(operation: () => unknown, what: string): Promise<void> {
  try {
    await operation();
  } catch (error) {
    assert(error instanceof FerryError && ["NotFound", "NotADirectory"].includes(error.code), `${what}: ${error}`);
    return;
  }
  throw new Error(`${what} succeeded`);
}
