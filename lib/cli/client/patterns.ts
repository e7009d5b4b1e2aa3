import { isGlob } from "@std/path";
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
