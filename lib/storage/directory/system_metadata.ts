import { FerryError } from "../../core/errors.ts";
import { type Entry, type FileMetadata, narrowedBits } from "../../core/metadata.ts";

/** Time of last change in whole milliseconds; 0 where the system keeps none, or one that no date can hold. */
export function mtimeMs(info: Deno.FileInfo): number {
  return info.mtime?.getTime() || 0;
}

/** Who may read, write and execute; all other bits of a mode are never set for clients. */
export const PERMISSION_BITS = 0o777;

/** The permission bits of `mode` for what is there; see `narrowedBits`. */
export function narrowed(info: Deno.FileInfo, mode: number): number {
  return narrowedBits(info.mode ?? mode, mode) & PERMISSION_BITS;
}

/** The permission bits; undefined where the system has none. */
function permissions({ mode }: Deno.FileInfo): number | undefined {
  return mode === null || Deno.build.os === "windows" ? undefined : mode & PERMISSION_BITS;
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
 * @param isLink Whether it was found through a link that has its name.
 * @throws {FerryError} `NotAFile` for a device, socket or pipe.
 */
export function metadata(info: Deno.FileInfo, isLink?: boolean): FileMetadata {
  if (!info.isFile && !info.isDirectory) throw new FerryError("NotAFile", "it is not a regular file");
  const known: FileMetadata = {
    kind: info.isFile ? "file" : "directory",
    size: info.isFile ? info.size : 0,
    mtimeMs: mtimeMs(info),
    mode: permissions(info),
    version: versionOf(info),
  };
  return isLink ? { ...known, link: true } : known;
}

/**
 * The line of a listing for what is at a path.
 *
 * @param own What is there, a link not followed.
 * @param info Where a link leads, or undefined when that is nothing that is served; otherwise `own`.
 * @param reason Why it is not served all the same, if so.
 */
export function entryOf(path: string, own: Deno.FileInfo, info: Deno.FileInfo | undefined, reason?: string): Entry {
  const isServed = reason === undefined && (info?.isFile || info?.isDirectory);
  const entry = isServed ? served(path, info) : notServed(path, mtimeMs(own), reason ?? whatElse(own));
  return own.isSymlink ? { ...entry, link: true } : entry;
}

function served(path: string, info: Deno.FileInfo): Entry {
  const kind = info.isFile ? "file" : "directory";
  return { path, kind, size: info.isFile ? info.size : 0, mtimeMs: mtimeMs(info), mode: permissions(info) };
}

/** The line of a listing for what is not served, with the reason in words. */
export function notServed(path: string, mtimeMs: number, reason: string): Entry {
  return { path, kind: "other", size: 0, mtimeMs, reason };
}

/** What something is that is not served. Nobody learns from it whether there is something where a link leads. */
function whatElse({ isSymlink, isFifo, isSocket }: Deno.FileInfo): string {
  if (isSymlink) return "a link that leads nowhere, out of the directory, or to a special file";
  return isFifo ? "a pipe" : isSocket ? "a socket" : "a device";
}
