import { basename, join, normalize } from "@std/path";
import { toPath } from "./_path.ts";

/** What `walk()` yields: a directory entry and its path. */
export interface WalkEntry extends Deno.DirEntry {
  /** The path, beginning with the root that was given. */
  path: string;
}

/** Options of {@linkcode walk}. */
export interface WalkOptions {
  /** How deep to go; 0 is the root alone. Default: Infinity. */
  maxDepth?: number;
  /** Yield files. Default: true. */
  includeFiles?: boolean;
  /** Yield directories. Default: true. */
  includeDirs?: boolean;
  /** Yield symlinks; without meaning if they are followed. Default: true. */
  includeSymlinks?: boolean;
  /** Go where symlinks lead. Default: false. */
  followSymlinks?: boolean;
  /**
   * Yield what a followed symlink in the root leads to under its real path; deeper ones always are, as in `@std/fs`.
   * Default: true.
   */
  canonicalize?: boolean;
  /** Yield only paths with one of these extensions; their dot may be left out. */
  exts?: string[];
  /** Yield only paths that match one of these. */
  match?: RegExp[];
  /** Neither yield nor enter paths that match one of these. */
  skip?: RegExp[];
}

function matches(path: string, patterns: readonly RegExp[]): boolean {
  return patterns.some((pattern) => path.match(pattern) !== null);
}

function isWanted(path: string, { exts, match, skip = [] }: WalkOptions): boolean {
  if (exts && !exts.some((ext) => path.endsWith(ext.startsWith(".") ? ext : `.${ext}`))) return false;
  if (match && !matches(path, match)) return false;
  return !matches(path, skip);
}

async function rootEntry(root: string): Promise<WalkEntry> {
  const path = normalize(root);
  const { isFile, isDirectory, isSymlink } = await Deno.stat(path);
  return { path, name: basename(path), isFile, isDirectory, isSymlink };
}

/**
 * Walks a directory tree, parents before their children, and yields the root and everything below it. The order within
 * a directory is the system's.
 *
 * @param root The directory to begin with.
 * @param options What to yield and how far to go.
 * @throws {Deno.errors.NotFound} If the root, or the target of a symlink that is to be followed, does not exist.
 *
 * @example
 * ```ts
 * import { walk } from "@std/fs/walk";
 *
 * for await (const entry of walk(".", { includeDirs: false, exts: ["ts"] })) console.log(entry.path);
 * ```
 */
export async function* walk(root: string | URL, options: WalkOptions = {}): AsyncIterableIterator<WalkEntry> {
  const { maxDepth = Infinity, includeFiles = true, includeDirs = true, includeSymlinks = true } = options;
  const { followSymlinks = false, canonicalize = true, skip = [] } = options;
  if (maxDepth < 0) return;
  const directory = toPath(root);
  if (includeDirs && isWanted(directory, options)) yield await rootEntry(directory);
  if (maxDepth < 1 || matches(directory, skip)) return;
  for await (const entry of Deno.readDir(directory)) {
    let path = join(directory, entry.name);
    let { isDirectory } = entry;
    if (entry.isSymlink) {
      if (!followSymlinks) {
        if (includeSymlinks && isWanted(path, options)) yield { path, ...entry };
        continue;
      }
      const realPath = await Deno.realPath(path);
      if (canonicalize) path = realPath;
      ({ isDirectory } = await Deno.lstat(realPath));
    }
    if (isDirectory) {
      yield* walk(path, { ...options, maxDepth: maxDepth - 1, canonicalize: true });
    } else if (includeFiles && isWanted(path, options)) {
      yield { path, ...entry };
    }
  }
}
