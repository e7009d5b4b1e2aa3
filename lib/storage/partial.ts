import { createHash } from "node:crypto";
import { join } from "@std/path";
import { FerryError } from "../protocol/errors.ts";
import { isSameFile, lstatOrNothing } from "./lookup.ts";
import { RESERVED_PREFIX } from "./path.ts";

/** How often to try again when the partial file is replaced under our hands before we give up. */
const MAX_TRIES = 10;

/**
 * The name of the partial file for `name`: it fits into any directory that `name` fits into, is the same every time
 * so that an interrupted upload can be found again, and says nothing.
 */
export function partialName(name: string): string {
  const hash = createHash("sha256").update(name).digest("hex");
  return `${RESERVED_PREFIX}${hash.slice(0, 16)}.part`;
}

/** Opens the file without ever following a link or opening anything but a regular file. */
function openRegular(path: string): Deno.FsFile | undefined {
  const info = lstatOrNothing(path);
  try {
    if (!info) return Deno.openSync(path, { read: true, write: true, createNew: true });
    if (!info.isFile) throw new FerryError("Refused", "something that is not a file is in the way of the upload");
    return Deno.openSync(path, { read: true, write: true });
  } catch (error) {
    const raced = error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotFound;
    if (raced && lstatOrNothing(path) !== info) return undefined;
    throw error;
  }
}

/** A partial file that this process alone may write. */
export interface PartialFile {
  readonly file: Deno.FsFile;
  readonly path: string;
  /** How many bytes it had when it was opened. */
  readonly size: number;
}

/**
 * Opens or creates the partial file for `name` in `directory`, and locks it against every other writer, also one in
 * another process. The lock ends when the file is closed, or with the process.
 *
 * @throws {FerryError} `Busy` when another writer holds it.
 */
export function openPartial(directory: string, name: string): PartialFile {
  const path = join(directory, partialName(name));
  for (let i = 0; i < MAX_TRIES; i++) {
    const file = openRegular(path);
    if (!file) continue;
    try {
      if (!file.tryLockSync(true)) throw new FerryError("Busy", "it is being written by someone else; try again later");
      // The last holder may have renamed or removed the file between our open and our lock.
      const named = lstatOrNothing(path);
      const info = file.statSync();
      if (named?.isFile && isSameFile(named, info)) return { file, path, size: info.size };
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
  throw new FerryError("Busy", "it is being written by someone else; try again later");
}
