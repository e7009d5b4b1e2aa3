/** What is at `path`, a link not followed, or undefined when nothing is. */
export function lstatOrNothing(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Where `path` really is, or undefined when it leads nowhere: dangling, circular, or through something unreadable. */
export function realPathOrNothing(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    const { NotFound, NotADirectory, FilesystemLoop, PermissionDenied } = Deno.errors;
    if ([NotFound, NotADirectory, FilesystemLoop, PermissionDenied].some((type) => error instanceof type)) {
      return undefined;
    }
    throw error;
  }
}

/** Whether two results of `stat` are about the same file. Where the system has no inode numbers, they are taken to be. */
export function isSameFile(a: Deno.FileInfo, b: Deno.FileInfo): boolean {
  return a.ino === null || b.ino === null || (a.ino === b.ino && a.dev === b.dev);
}
