import { Buffer } from "node:buffer";
import { FerryError } from "./errors.ts";

/**
 * A path inside the served directory that has passed {@linkcode parseRemotePath}: relative, `/` separated, without
 * `.`, `..` or empty segments. The empty path is the served directory itself.
 */
export type RemotePath = string & { readonly isRemotePath: true };

/** The served directory itself. */
export const ROOT = "" as RemotePath;

/** The longest path, in bytes of UTF-8 (PATH_MAX on Linux). */
export const MAX_PATH_BYTES = 4096;

/** The longest name between two slashes, in bytes of UTF-8 (NAME_MAX on Linux). */
export const MAX_NAME_BYTES = 255;

/** The most names in the path of what is made: no user nests deeper, and to look at a path costs the square of that. */
export const MAX_PATH_DEPTH = 128;

/** The longest path that the system opens, in bytes of UTF-8: PATH_MAX without the NUL at its end. */
export const MAX_SYSTEM_PATH_BYTES = Deno.build.os === "darwin" ? 1023 : 4095;

/** Names with this prefix belong to Ferry; they are never listed, read or written by name. */
export const RESERVED_PREFIX = ".ferry-";

// Microsoft, "Naming Files, Paths, and Namespaces".
const WINDOWS_FORBIDDEN = /[<>:"\\|?*\p{Cc}]|[. ]$/u;
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)/i;

const IS_ASCII = /^[ -~]*$/;

const FULL_STOP = 0x2e;

/** Whether `name` is one of Ferry's own, in any spelling that a file system may take for the same. */
export function isReserved(name: string): boolean {
  // Nothing but a full stop, or a character beyond ASCII, becomes one.
  const first = name.charCodeAt(0);
  if (first !== FULL_STOP && first < 0x80) return false;
  // Every character becomes at least one, so what becomes the prefix is within as many characters.
  const head = name.slice(0, RESERVED_PREFIX.length);
  return (IS_ASCII.test(head) ? head : head.normalize("NFKC")).toLowerCase().startsWith(RESERVED_PREFIX);
}

/** Whether `text` takes more bytes of UTF-8, of which a UTF-16 code unit never takes more than three. */
export function isLonger(text: string, maxBytes: number): boolean {
  return text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes;
}

const TOO_LONG = `it is longer than ${MAX_PATH_BYTES} bytes`;

function whyNot(path: string, windows: boolean): string | undefined {
  if (path === "") return "the name is empty";
  if (path.includes("\0")) return "it contains a NUL character";
  if (!path.isWellFormed()) return "it is not well-formed Unicode";
  if (path.startsWith("/")) return "it must be relative to the served directory";
  if (isLonger(path, MAX_PATH_BYTES)) return TOO_LONG;
  for (const name of path.split("/")) {
    if (name === "") return "it contains an empty name";
    if (name === "." || name === "..") return `it contains "${name}"`;
    if (isLonger(name, MAX_NAME_BYTES)) return `a name in it is longer than ${MAX_NAME_BYTES} bytes`;
    if (isReserved(name)) return `names that begin with "${RESERVED_PREFIX}" are reserved`;
    if (windows && (WINDOWS_FORBIDDEN.test(name) || WINDOWS_DEVICE.test(name))) {
      return "Windows does not allow a name in it";
    }
  }
  return undefined;
}

/** The path of the directory that holds something, and its name there. */
export function splitPath(path: string): [parent: string, name: string] {
  const cut = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, cut)), path.slice(cut + 1)];
}

/** Whether `path` is `directory`, or in it; everything is in the empty path. */
export function isIn(path: string, directory: string): boolean {
  if (directory === "") return true;
  const { length } = directory;
  return path.startsWith(directory) && (path.length === length || path[length] === "/");
}

/** Joins two paths, either of which may be empty. The first may be one as a user wrote it, with a `/` at its end. */
export function joinPaths(directory: string, path: string): string {
  return directory === "" || path === "" || directory.endsWith("/") ? directory + path : `${directory}/${path}`;
}

/**
 * The path of something in a directory.
 *
 * @throws {FerryError} `InvalidPath` when it is too long.
 */
export function pathIn(directory: RemotePath, path: RemotePath): RemotePath {
  const joined = joinPaths(directory, path);
  if (isLonger(joined, MAX_PATH_BYTES)) throw new FerryError("InvalidPath", TOO_LONG);
  return joined as RemotePath;
}

/**
 * The only way from a string that came from elsewhere to a path that may be used. Pure; parsing a parsed path
 * gives the same path.
 *
 * @param path The path as it was received.
 * @param windows Whether the file system has the rules of Windows; by default, whether this is Windows.
 * @throws {FerryError} `InvalidPath` with the reason.
 */
export function parseRemotePath(path: string, windows = Deno.build.os === "windows"): RemotePath {
  const reason = whyNot(path, windows);
  if (reason) throw new FerryError("InvalidPath", reason);
  return path as RemotePath;
}
