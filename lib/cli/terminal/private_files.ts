import { FerryError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { shellWord } from "./grants.ts";

/** The most that a file with a key, a secret or a ticket has, in bytes. */
const MAX_FILE_BYTES = 64 * 1024;

/** The permission bits of group and others. */
const OTHERS = 0o077;

/**
 * The content of a file that must be its owner's alone, such as one with a secret.
 *
 * @throws {FerryError} If other users may read or write it, if it is not a regular file, or if it exceeds 64 KiB.
 */
export function readPrivateFile(file: string): string {
  const { isFile, mode, size } = Deno.statSync(file);
  if (!isFile) throw new FerryError("NotAFile", "it is not a regular file");
  if (mode !== null && (mode & OTHERS) !== 0) {
    throw new FerryError("Refused", `other users may read or write it; run: chmod 600 ${printable(shellWord(file))}`);
  }
  if (size > MAX_FILE_BYTES) throw new FerryError("BadRequest", "it is too large for what it should hold");
  return Deno.readTextFileSync(file);
}
