import { basename, dirname, resolve } from "@std/path";
import { cannot, FerryError } from "../core/errors.ts";
import { parseRemotePath } from "../core/remote_path.ts";
import { DirectoryStorage } from "../storage/directory/directory_storage.ts";
import type { Place } from "./place.ts";

function notEmpty(path: string): string {
  if (path === "") throw new FerryError("InvalidPath", "the name is empty");
  return path;
}

function inDirectory(path: string, shown: string): Place {
  return { storage: DirectoryStorage.open(dirname(path)), path: parseRemotePath(basename(path)), shown };
}

/**
 * The place on this machine where a file goes. The sandbox that guards the server guards the client, too: nothing outside
 * its directory can be written through it.
 *
 * @throws {FerryError} When its directory is not there or the name cannot be used.
 */
export function localTarget(path: string): Place {
  try {
    return inDirectory(resolve(notEmpty(path)), path);
  } catch (error) {
    throw cannot("write", path, error);
  }
}

/**
 * A file on this machine to transfer. The user named it, so links on the way are followed wherever they lead.
 *
 * @throws {FerryError} When there is no such file.
 */
export function localSource(path: string): Place {
  try {
    return inDirectory(Deno.realPathSync(notEmpty(path)), path);
  } catch (error) {
    throw cannot("read", path, error);
  }
}
