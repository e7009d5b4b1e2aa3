import { FerryError } from "../protocol/errors.ts";
import type { FileFacts } from "./storage.ts";

/** Time of last change in whole milliseconds; 0 where the system keeps none. */
export function mtimeMs(info: Deno.FileInfo): number {
  return info.mtime?.getTime() ?? 0;
}

/**
 * A string that changes when the content does: identity, size, and both times of change. `ctime` catches a program
 * that sets `mtime` back.
 */
export function versionOf(info: Deno.FileInfo): string {
  return [info.ino ?? 0, info.size, mtimeMs(info), info.ctime?.getTime() ?? 0].map((n) => n.toString(36)).join("-");
}

/**
 * What clients may know of a file or directory.
 *
 * @throws {FerryError} `NotAFile` for a device, socket or pipe.
 */
export function facts(info: Deno.FileInfo): FileFacts {
  if (!info.isFile && !info.isDirectory) throw new FerryError("NotAFile", "it is not a regular file");
  return {
    kind: info.isFile ? "file" : "directory",
    size: info.isFile ? info.size : 0,
    mtimeMs: mtimeMs(info),
    version: versionOf(info),
  };
}
