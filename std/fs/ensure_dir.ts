/** What stands where a directory should be, for error messages. */
function kindOf(info: Deno.FileInfo): string {
  if (info.isFile) return "file";
  return info.isSymlink ? "symlink" : "other";
}

/** Throws unless `info` is a directory. */
function mustBeDirectory(info: Deno.FileInfo): void {
  if (!info.isDirectory) {
    throw new Error(`Failed to ensure directory exists: expected 'dir', got '${kindOf(info)}'`);
  }
}

/**
 * Makes sure that a directory exists, and creates it with its parents if it does not. A symlink to a directory is as
 * good as one.
 *
 * @param dir The directory.
 * @throws {Error} If something that is no directory stands there.
 */
export async function ensureDir(dir: string | URL): Promise<void> {
  try {
    mustBeDirectory(await Deno.stat(dir));
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    await Deno.mkdir(dir, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    // Created by another in the meantime, or a symlink that leads nowhere.
    mustBeDirectory(await Deno.lstat(dir));
  }
}
