import { basename, dirname, resolve } from "@std/path";
import { cannot, FerryError } from "../protocol/errors.ts";
import { DirectoryStorage } from "../storage/directory.ts";
import { parseRemotePath, type RemotePath } from "../storage/path.ts";

/** A file on this machine: a name in a directory. The sandbox that guards the server guards the client, too. */
export interface LocalFile {
  readonly storage: DirectoryStorage;
  readonly name: RemotePath;
}

/**
 * The place where a download goes. Nothing outside its directory can be written through it.
 *
 * @throws {FerryError} When its directory is not there or the name cannot be used.
 */
export function localTarget(path: string): LocalFile {
  try {
    const full = resolve(path);
    return { storage: DirectoryStorage.open(dirname(full)), name: parseRemotePath(basename(full)) };
  } catch (error) {
    throw cannot("write", path, error);
  }
}

/**
 * A file to upload. The user named it, so links on the way are followed wherever they lead.
 *
 * @throws {FerryError} When there is no such file.
 */
export function localSource(path: string): LocalFile {
  try {
    const real = Deno.realPathSync(path);
    if (Deno.statSync(real).isDirectory) throw new FerryError("IsADirectory", "it is a directory");
    return localTarget(real);
  } catch (error) {
    throw error instanceof FerryError && error.path !== undefined ? error : cannot("read", path, error);
  }
}
