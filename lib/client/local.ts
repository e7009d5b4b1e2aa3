import { basename, dirname, resolve } from "@std/path";
import { cannot, FerryError } from "../core/errors.ts";
import { DirectoryStorage } from "../storage/directory/directory_storage.ts";
import { parseRemotePath, type RemotePath } from "../core/remote_path.ts";

/** A file on this machine: a name in a directory. The sandbox that guards the server guards the client, too. */
export interface LocalFile {
  readonly storage: DirectoryStorage;
  readonly name: RemotePath;
  /** The path as the user knows it, for messages. */
  readonly shown: string;
  /** What is known of a source; it is looked at when this is absent. */
  readonly metadata?: { readonly size: number; readonly mtimeMs: number } | undefined;
}

/** Runs a file operation; a failure says which local file it was. */
export async function on<T>(
  verb: "read" | "write",
  shown: string | undefined,
  operation: () => Promise<T> | T,
): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw cannot(verb, shown, error);
  }
}

function notEmpty(path: string): string {
  if (path === "") throw new FerryError("InvalidPath", "the name is empty");
  return path;
}

function inDirectory(path: string, shown: string): LocalFile {
  return { storage: DirectoryStorage.open(dirname(path)), name: parseRemotePath(basename(path)), shown };
}

/**
 * The place where a download goes. Nothing outside its directory can be written through it.
 *
 * @throws {FerryError} When its directory is not there or the name cannot be used.
 */
export function localTarget(path: string): LocalFile {
  try {
    return inDirectory(resolve(notEmpty(path)), path);
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
    return inDirectory(Deno.realPathSync(notEmpty(path)), path);
  } catch (error) {
    throw cannot("read", path, error);
  }
}
