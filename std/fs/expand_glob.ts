import { type GlobOptions, globToRegExp, isAbsolute, isGlob, join, parse, resolve, SEPARATOR_PATTERN } from "@std/path";
import { toPath } from "./_path.ts";
import { createWalkEntry, type WalkEntry } from "./_walk_entry.ts";
import { walk, type WalkOptions } from "./walk.ts";

export type { GlobOptions, WalkEntry };

/** Options of {@linkcode expandGlob}. */
export interface ExpandGlobOptions extends GlobOptions {
  /** The directory that a relative glob begins in. Default: the current directory. */
  root?: string;
  /** Globs, relative to the root, of what is neither yielded nor entered. */
  exclude?: string[];
  /** Yield directories. Default: true. */
  includeDirs?: boolean;
  /** Go where symlinks lead. Default: false. */
  followSymlinks?: boolean;
  /** Yield what a followed symlink leads to under its real path. Default: true. */
  canonicalize?: boolean;
}

/** How one expansion reads globs and directories. */
interface Context {
  glob: GlobOptions;
  walk: WalkOptions & { skip: RegExp[] };
}

const ESCAPED = Deno.build.os === "windows" ? /`([*?{}[\]()|+@!])/g : /\\([*?{}[\]()|+@!])/g;

/** The entry at `path` in an array, or an empty array if nothing is there. */
async function entryAt(path: string): Promise<WalkEntry[]> {
  try {
    return [await createWalkEntry(path)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** What one segment of a glob matches in one directory. */
async function matchSegment(directory: WalkEntry, segment: string, context: Context): Promise<WalkEntry[]> {
  const { path } = directory;
  if (!directory.isDirectory) return [];
  if (segment === "..") {
    const parent = join(path, "..");
    return context.walk.skip.some((pattern) => pattern.test(parent)) ? [] : await entryAt(parent);
  }
  if (segment === "**") {
    return await Array.fromAsync(walk(path, { ...context.walk, maxDepth: context.glob.globstar ? Infinity : 1 }));
  }
  const pattern = globToRegExp(segment, context.glob);
  const children = await Array.fromAsync(walk(path, { ...context.walk, maxDepth: 1 }));
  return children.filter((entry) => entry.path !== path && pattern.test(entry.name));
}

/** Applies the segments of a glob one after another; each step is free of duplicates and sorted by path. */
async function matchSegments(start: WalkEntry[], segments: string[], context: Context): Promise<WalkEntry[]> {
  let matches = start;
  for (const segment of segments) {
    const found = await Promise.all(matches.map((entry) => matchSegment(entry, segment, context)));
    const byPath = new Map(found.flat().map((entry) => [entry.path, entry]));
    matches = [...byPath.values()].sort((a, b) => a.path < b.path ? -1 : 1);
  }
  return matches;
}

/**
 * Finds the paths that match a glob, and yields them sorted. A glob that ends with a separator matches directories only.
 *
 * @param glob The glob; `globToRegExp()` in `@std/path` says what it can hold.
 * @param options Where to look and what to leave out.
 *
 * @example
 * ```ts
 * import { expandGlob } from "@std/fs/expand-glob";
 *
 * for await (const entry of expandGlob("lib/*.ts")) console.log(entry.path);
 * ```
 */
export async function* expandGlob(
  glob: string | URL,
  options: ExpandGlobOptions = {},
): AsyncIterableIterator<WalkEntry> {
  const { extended = true, globstar = true, caseInsensitive = false, includeDirs = true } = options;
  const root = resolve(options.root ?? Deno.cwd());
  const globOptions = { extended, globstar, caseInsensitive };
  const skip = (options.exclude ?? []).map((pattern) => globToRegExp(resolve(root, pattern), globOptions));
  const { followSymlinks = false, canonicalize = true } = options;
  const context: Context = { glob: globOptions, walk: { skip, followSymlinks, canonicalize } };

  const text = toPath(glob);
  const anchor = isAbsolute(text) ? parse(text).root : "";
  const parts = text.slice(anchor.length).split(SEPARATOR_PATTERN);
  const directoriesOnly = text !== "" && parts.at(-1) === "";
  const segments = parts.filter((part) => part !== "");
  const firstGlob = segments.findIndex((segment) => isGlob(segment));
  // What stands before the first wildcard is a plain path: go there at once instead of searching for it.
  const fixed = segments.splice(0, firstGlob === -1 ? segments.length : firstGlob);
  const start = await entryAt(join(anchor || root, ...fixed.map((segment) => segment.replaceAll(ESCAPED, "$1"))));

  for (const entry of await matchSegments(start, segments, context)) {
    if (entry.isDirectory ? includeDirs : !directoriesOnly) yield entry;
  }
}
