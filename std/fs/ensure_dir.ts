/** What a path is, as error messages of `@std/fs` call it; undefined for a device, a pipe or a socket. */
function typeOf({ isFile, isSymlink }: Deno.FileInfo): string | undefined {
  if (isFile) return "file";
  return isSymlink ? "symlink" : undefined;
}

/** Throws unless `dir` is a directory, or a symlink to one. */
async function assertDirectory(dir: string | URL): Promise<void> {
  const info = await Deno.stat(dir);
  if (!info.isDirectory) {
    throw new Error(`Failed to ensure directory exists: expected 'dir', got '${typeOf(info)}'`);
  }
}

/**
 * Makes sure that a directory exists, and creates it with its parents if it does not. A symlink to a directory is as
 * good as one.
 *
 * @param dir The directory.
 * @throws {Error} If something that is no directory stands there.
 * @throws {Deno.errors.NotFound} If a symlink that leads nowhere stands there.
 */
export async function ensureDir(dir: string | URL): Promise<void> {
  try {
    return await assertDirectory(dir);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    await Deno.mkdir(dir, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    // Another has created it in the meantime, or it is a symlink that leads nowhere.
    await assertDirectory(dir);
  }
}
