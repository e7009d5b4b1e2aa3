import { statfsSync } from "node:fs";
import { FerryError } from "../../core/errors.ts";

/**
 * Looks whether so many more bytes fit, with `keepFree` bytes of the disk left free. To be called before each write: it
 * costs a hundredth of writing 1 MiB.
 *
 * @throws {FerryError} `NoSpace` when they would not leave enough.
 */
export function requireSpace(directory: string, bytes: number, keepFree = 0): void {
  if (keepFree === 0) return;
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize - bytes >= keepFree) return;
  throw new FerryError("NoSpace", `the server keeps ${keepFree} bytes of its disk free`);
}
