import { join } from "@std/path";
import { toPath } from "./_path.ts";
import { createWalkEntry, type WalkEntry } from "./_walk_entry.ts";

export type { WalkEntry };

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
  /** Yield what a followed symlink leads to under its real path. Default: true. */
  canonicalize?: boolean;
  /** Yield only paths with one of these extensions; their dot may be left out. */
  exts?: string[];
  /** Yield only paths that match one of these. */
  match?: RegExp[];
  /** Neither yield nor enter paths that match one of these. */
  skip?: RegExp[];
}

type Settings = Required<Omit<WalkOptions, "maxDepth" | "exts" | "match">> & Pick<WalkOptions, "exts" | "match">;

// search() ignores the state of global and sticky expressions, as test() does not.
function matches(path: string, patterns: RegExp[]): boolean {
  return patterns.some((pattern) => path.search(pattern) !== -1);
}

function isWanted(path: string, { exts, match, skip }: Settings): boolean {
  if (exts && !exts.some((ext) => path.endsWith(ext))) return false;
  if (match && !matches(path, match)) return false;
  return !matches(path, skip);
}

async function* walkDirectory(root: string, depth: number, settings: Settings): AsyncIterableIterator<WalkEntry> {
  if (depth < 0) return;
  if (settings.includeDirs && isWanted(root, settings)) yield await createWalkEntry(root);
  if (depth < 1 || matches(root, settings.skip)) return;
  for await (const entry of Deno.readDir(root)) {
    let path = join(root, entry.name);
    let { isDirectory } = entry;
    if (entry.isSymlink) {
      if (!settings.followSymlinks) {
        if (settings.includeSymlinks && isWanted(path, settings)) yield { path, ...entry };
        continue;
      }
      const realPath = await Deno.realPath(path);
      if (settings.canonicalize) path = realPath;
      ({ isDirectory } = await Deno.lstat(realPath));
    }
    if (isDirectory) {
      yield* walkDirectory(path, depth - 1, settings);
    } else if (settings.includeFiles && isWanted(path, settings)) {
      yield { path, ...entry };
    }
  }
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
  const { maxDepth = Infinity, exts } = options;
  const settings: Settings = {
    includeFiles: options.includeFiles ?? true,
    includeDirs: options.includeDirs ?? true,
    includeSymlinks: options.includeSymlinks ?? true,
    followSymlinks: options.followSymlinks ?? false,
    canonicalize: options.canonicalize ?? true,
    skip: options.skip ?? [],
    ...(options.match && { match: options.match }),
    ...(exts && { exts: exts.map((ext) => ext.startsWith(".") ? ext : `.${ext}`) }),
  };
  yield* walkDirectory(toPath(root), maxDepth, settings);
}
