import { isGlob } from "@std/path";
import type { Entry } from "../../core/metadata.ts";
import { isIn } from "../../core/remote_path.ts";
import type { Filter } from "../../transfer/filter.ts";
import { wildcards } from "../../transfer/wildcards.ts";

/** A pattern such as `reports/*.pdf`: the directory to list, and which of its entries match. */
export interface Pattern {
  /** The path before the first name with a wildcard; may be empty. */
  readonly base: string;
  /** Whether entries of subdirectories can match. */
  readonly recursive: boolean;
  /** Whether an entry matches; its path is relative to `base`. */
  matches(path: string): boolean;
}

/**
 * The pattern in `path`, or undefined without wildcards (`*`, `?`, `[…]`, `{…}`, `**`).
 *
 * @param path A path with `/` between names.
 */
export function parsePattern(path: string): Pattern | undefined {
  if (!isGlob(path)) return undefined;
  const names = path.split("/");
  const first = names.findIndex((name) => isGlob(name));
  const rest = names.slice(first);
  // Something may really have a name that makes no sense as a pattern.
  let test: ReturnType<typeof wildcards> | undefined;
  return {
    base: names.slice(0, first).join("/"),
    recursive: rest.length > 1 || rest.includes("**"),
    matches: (path) => (test ??= wildcards(rest.join("/")))(path),
  };
}

/** Selects the entries that match; with `whole`, everything in matching directories, too. */
export function selector(pattern: Pattern, whole: boolean): (entry: { path: string; kind: string }) => boolean {
  return ({ path, kind }) => {
    if (pattern.matches(path)) return whole || kind !== "directory";
    if (!whole) return false;
    for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1)) {
      if (pattern.matches(path.slice(0, end))) return true;
    }
    return false;
  };
}

/** What is taken of a listing. */
export interface MatchOptions {
  readonly pattern: Pattern;
  /** Whether everything in matching directories is taken, too. */
  readonly whole: boolean;
  readonly filter: Filter | undefined;
  /** Why a directory that matches is left out, without `whole`. */
  readonly reason: string;
  /** Called before the first that is taken. */
  readonly onFirst: () => Promise<void>;
  /** Told when something matches that the filter leaves out. */
  readonly onExcluded: () => void;
}

/**
 * The entries that match. A directory that matches, and in which nothing does, becomes one that cannot be transferred; a
 * directory that may not be listed stays, since what is meant may be in it.
 */
export async function* matching(
  entries: AsyncIterable<Entry>,
  { pattern, whole, filter, reason, onFirst, onExcluded }: MatchOptions,
): AsyncGenerator<Entry> {
  const isWanted = selector(pattern, whole);
  const takes = filter?.selector();
  const leftOut = (entry: Entry): Entry => ({ ...entry, kind: "other", reason });
  let isFirst = true;
  /** Directories that match, each in the one before, in which nothing has matched so far. */
  let empty: Entry[] = [];
  for await (const entry of entries) {
    const isAround = ({ path }: Entry) => isIn(entry.path, path);
    yield* empty.filter((each) => !isAround(each)).map(leftOut);
    empty = empty.filter(isAround);
    if (takes && !takes(entry)) {
      if (pattern.matches(entry.path)) onExcluded();
    } else if (isWanted(entry)) {
      empty = [];
      if (isFirst) await onFirst();
      isFirst = false;
      yield entry;
    } else if (entry.unreadable) yield entry;
    else if (!whole && pattern.matches(entry.path)) empty.push(entry);
  }
  yield* empty.map(leftOut);
}
