import { assert } from "@std/assert";
import { type ErrorCode, FerryError } from "../../../lib/core/errors.ts";
import type { OfferOptions, Storage, UploadOptions } from "../../../lib/storage/storage.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { at } from "../../helpers/storage.ts";

/** What a place may do in another way than the others. */
export interface Traits {
  /** What is wrong with an upload as such shows at its `commit` only. */
  readonly refusesLate?: boolean;
  /** Whose an upload is follows from who is connected, and not from what is asked for. */
  readonly hasOneOwner?: boolean;
}

/** Defines one test, with an empty storage: `name.symbol() does X`. */
export type Define = (symbol: string, does: string, test: (storage: Storage, traits: Traits) => Promise<void>) => void;

/** Fails unless an upload is refused when it is opened, or at `commit` where the place does that. */
export async function assertRefused(
  code: ErrorCode,
  storage: Storage,
  path: string,
  options: UploadOptions,
  { refusesLate }: Traits,
): Promise<void> {
  await assertFailsWith(code, async () => {
    const upload = await storage.upload(at(path), options);
    try {
      return refusesLate ? await upload.commit() : upload;
    } finally {
      await upload.abort();
    }
  }, path);
}

/** Waits until nobody else could upload a file, since it is open: where a server opens it that takes a moment. */
export async function untilBusy(storage: Storage, path: string, options: OfferOptions = {}): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    try {
      await storage.offer?.(at(path), options);
    } catch (error) {
      if (error instanceof FerryError && error.code === "Busy") return;
      throw error;
    }
  }
  throw new Error(`${path} is not busy`);
}

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
