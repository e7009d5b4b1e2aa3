import { FerryError } from "../../core/errors.ts";

/** No file with a key, a secret or a ticket is larger, in bytes. */
const MAX_FILE_BYTES = 64 * 1024;

/** The permission bits of the group and of everybody else. */
const OTHERS = 0o077;

/**
 * The content of a file that nobody but its owner may read or write, such as one with a secret in it.
 *
 * @throws {FerryError} When others may, when it is not a regular file, or when it is larger than 64 KiB.
 */
export function readPrivateFile(file: string): string {
  const { isFile, mode, size } = Deno.statSync(file);
  if (!isFile) throw new FerryError("NotAFile", "it is not a regular file");
  if (mode !== null && (mode & OTHERS) !== 0) {
    throw new FerryError("Refused", "other users may read or write it; run: chmod 600");
  }
  if (size > MAX_FILE_BYTES) throw new FerryError("BadRequest", "it is too large for what it should hold");
  return Deno.readTextFileSync(file);
}
