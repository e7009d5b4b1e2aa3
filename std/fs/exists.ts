/** Options of {@linkcode exists}. */
export interface ExistsOptions {
  /** The path must be readable as well. Default: false. */
  isReadable?: boolean;
  /** The path must be a directory, or a symlink to one. Not together with `isFile`. Default: false. */
  isDirectory?: boolean;
  /** The path must be a file, or a symlink to one. Not together with `isDirectory`. Default: false. */
  isFile?: boolean;
}

/** Whether the permission bits let this process read; systems without such bits always do. */
function isReadable({ mode, uid, gid }: Deno.FileInfo): boolean {
  if (mode === null) return true;
  if (Deno.uid() === uid) return (mode & 0o400) !== 0;
  if (Deno.gid() === gid) return (mode & 0o040) !== 0;
  return (mode & 0o004) !== 0;
}

/**
 * Says whether a path exists. Symlinks are followed.
 *
 * Do not ask before an operation on the same path: between the two anything can happen. Do the operation, and handle
 * its error.
 *
 * @param path The path.
 * @param options What else must be true.
 * @throws {TypeError} If both `isFile` and `isDirectory` are asked for.
 */
export async function exists(path: string | URL, options: ExistsOptions = {}): Promise<boolean> {
  try {
    const info = await Deno.stat(path);
    if (options.isDirectory && options.isFile) {
      throw new TypeError(
        "ExistsOptions.options.isDirectory and ExistsOptions.options.isFile must not be true together",
      );
    }
    if (options.isDirectory && !info.isDirectory) return false;
    if (options.isFile && !info.isFile) return false;
    return !options.isReadable || isReadable(info);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.PermissionDenied) {
      const { state } = await Deno.permissions.query({ name: "read", path });
      // Refused by the system, not by Deno: something is there.
      if (state === "granted") return !options.isReadable;
    }
    throw error;
  }
}
