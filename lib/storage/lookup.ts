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

/**
 * What an open file is now. Deno checks the path of an open file, too, before it looks at it, which takes longer than
 * to look at the name: so that comes first, and is enough as long as it is the name of this file.
 *
 * @param path Where the file was opened, or where it was moved since.
 * @param known An earlier look at the file.
 */
export function lookAgain(file: Deno.FsFile, path: string, known: Deno.FileInfo): Deno.FileInfo {
  const named = lstatOrNothing(path);
  return named && named.ino !== null && isSameFile(named, known) ? named : file.statSync();
}
