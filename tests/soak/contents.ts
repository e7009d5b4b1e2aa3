import { createHash } from "node:crypto";
import { bytes, type Random } from "../helpers/random.ts";

const MIB = 1024 * 1024;

/** The largest content, in bytes: just enough for a transfer over several connections to be split. */
export const LARGEST_BYTES = 65 * MIB;

/** Where contents differ, they begin at different places of this. */
const BLOCK = bytes(LARGEST_BYTES + 4 * MIB, 1);

/** What a file holds. */
export interface Content {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** SHA-256 in lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A content of a given size, most likely unlike all others of that size. */
export function contentOf(random: Random, size: number): Content {
  const at = random.below(BLOCK.length - size);
  const content = BLOCK.subarray(at, at + size);
  return { bytes: content, sha256: sha256(content) };
}

/** A size as files have it: often small, now and then some megabytes, seldom 50 MB. */
export function randomSize(random: Random): number {
  const most = random.pick([0, 100, 5000, 5000, 70_000, 70_000, MIB, MIB, 2 * MIB, 4 * MIB, 6 * MIB]);
  return random.below(40) === 0 ? 50_000_000 : random.below(most + 1);
}

/** The SHA-256 of what a local file shows now, or null when there is none. */
export async function shownBy(path: string): Promise<string | null> {
  try {
    return sha256(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
