import { basename, normalize } from "@std/path";

/** What `walk()` and `expandGlob()` yield: a directory entry and its path. */
export interface WalkEntry extends Deno.DirEntry {
  /** The path, beginning with the root that was given. */
  path: string;
}

/** The entry for a path that did not come from reading a directory. */
export async function createWalkEntry(path: string): Promise<WalkEntry> {
  const normal = normalize(path);
  const { isFile, isDirectory, isSymlink } = await Deno.stat(normal);
  return { path: normal, name: basename(normal), isFile, isDirectory, isSymlink };
}
