import { FerryError } from "../../core/errors.ts";
import type { FileMetadata } from "../../core/metadata.ts";

/** Time of last change in whole milliseconds; 0 where the system keeps none, or one that no date can hold. */
export function mtimeMs(info: Deno.FileInfo): number {
  return info.mtime?.getTime() || 0;
}

/**
 * A string that changes when the content does: identity (an inode may be used again, but not with the same time of
 * birth), size, and both times of change. `ctime`, of which Deno gives whole seconds, catches a program that sets
 * `mtime` back.
 */
export function versionOf(info: Deno.FileInfo): string {
  const times = [info.mtime, info.birthtime, info.ctime].map((time) => time?.getTime() ?? 0);
  return [info.ino ?? 0, info.size, ...times].map((n) => n.toString(36)).join("-");
}

/**
 * What clients may know of a file or directory.
 *
 * @throws {FerryError} `NotAFile` for a device, socket or pipe.
 */
export function metadata(info: Deno.FileInfo): FileMetadata {
  if (!info.isFile && !info.isDirectory) throw new FerryError("NotAFile", "it is not a regular file");
  return {
    kind: info.isFile ? "file" : "directory",
    size: info.isFile ? info.size : 0,
    mtimeMs: mtimeMs(info),
    version: versionOf(info),
  };
}
