import { closeSync, constants, fchmodSync, fstatSync, openSync } from "node:fs";
import { join } from "@std/path";
import type { MetadataChange } from "../storage.ts";
import { type Found, isInPlace, isSameFile } from "./lookup.ts";
import { narrowed } from "./system_metadata.ts";

/** Opens without waiting for the other end of a pipe that somebody puts in the place just now. */
const READ_AT_ONCE = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Sets the time and the permission bits of what was found in this synchronous step, through handles: nothing else is
 * changed when somebody puts a link in its place just now. Gives undefined if something else is there.
 */
export function setMetadata(found: Found, change: MetadataChange): true | undefined {
  const place = join(found.directory, found.name);
  if (Deno.build.os === "windows") return setTime(place, change);
  const fd = openSync(place, READ_AT_ONCE);
  try {
    if (!isSameFile(fstatSync(fd), found.info) || !isInPlace(found)) return undefined;
    // First, as long as it may be opened.
    if (change.mtimeMs !== undefined && !setTimeOf(place, found, change.mtimeMs)) return undefined;
    if (change.mode !== undefined) fchmodSync(fd, narrowed(found.info, change.mode) | specialBits(found.info));
    return true;
  } finally {
    closeSync(fd);
  }
}

/** What else a directory's mode says of what is made in it stays; a program is never one with its owner's rights. */
function specialBits({ isDirectory, mode }: Deno.FileInfo): number {
  return isDirectory && mode !== null ? mode & 0o7000 : 0;
}

/** The other module takes times before 1970 for the present one. */
function setTimeOf(place: string, { info }: Found, mtimeMs: number): boolean {
  using file = Deno.openSync(place, { read: true });
  if (!isSameFile(file.statSync(), info)) return false;
  file.utimeSync(info.atime ?? new Date(mtimeMs), new Date(mtimeMs));
  return true;
}

/** Windows opens no directories, and has no permission bits. */
function setTime(place: string, { mtimeMs }: MetadataChange): true {
  if (mtimeMs !== undefined) Deno.utimeSync(place, new Date(mtimeMs), new Date(mtimeMs));
  return true;
}
