import { cannot, FerryError, toFerryError } from "../../core/errors.ts";
import type { Entry } from "../../core/metadata.ts";
import { joinPaths, parseRemotePath, type RemotePath, ROOT } from "../../core/remote_path.ts";
import { ifThere } from "../../transfer/copy.ts";
import { notBehindLinks, unreadable } from "../../transfer/listing.ts";
import type { Invocation } from "./invocation.ts";
import { parsePattern, type Pattern, selector } from "./patterns.ts";

/** What is on the server that commands work on at once, or sort: more takes more memory than a listing may. */
const MAX_MATCHES = 100_000;

/** The pattern in a path on the server, or undefined without one; also when there is something that really has this name. */
export async function remotePattern(
  { shell, signal }: Invocation,
  path: RemotePath,
): Promise<Pattern | undefined> {
  const pattern = parsePattern(path);
  return pattern && await ifThere(shell.storage.stat(path, { signal })) ? undefined : pattern;
}

/**
 * What matches a pattern, with whole paths and not through links; with `recursive` also everything in directories that
 * match.
 *
 * @throws {FerryError} `Refused` at the end, when a directory could not be looked into.
 */
export async function* matchingEntries(
  { shell, signal }: Invocation,
  pattern: Pattern,
  recursive = false,
  entersLinks = true,
): AsyncGenerator<Entry> {
  const base = pattern.base === "" ? ROOT : parseRemotePath(pattern.base, false);
  const isMeant = recursive ? selector(pattern, true) : ({ path }: Entry) => pattern.matches(path);
  let missing: FerryError | undefined;
  const entries = shell.storage.list(base, { recursive: recursive || pattern.recursive, signal });
  for await (const entry of entersLinks ? entries : notBehindLinks(entries)) {
    const path = joinPaths(base, entry.path);
    if (entry.unreadable) missing ??= unreadable(path, entry.reason);
    if (isMeant(entry)) yield { ...entry, path };
  }
  if (missing) throw missing;
}

/** The failure of a pattern that matches nothing. */
export function nothingMatches(verb: string, name: string): FerryError {
  return cannot(verb, name, new FerryError("NotFound", "nothing on the server matches it"));
}

/** @throws {FerryError} `TooLarge` when there are more things than can be kept. */
export function requireFew(count: number, name: string): void {
  if (count <= MAX_MATCHES) return;
  const reason = `more than ${MAX_MATCHES} names are too many at once; do it in parts`;
  throw cannot("use", name, new FerryError("TooLarge", reason));
}

/**
 * The paths on the server that the user means by `name`: that of this name, or those that match it as a pattern.
 *
 * @param verb What is to be done there, for messages.
 * @throws {FerryError} `NotFound` when a pattern matches nothing.
 */
async function remoteMatches(
  invocation: Invocation,
  name: string,
  verb: string,
): Promise<RemotePath[]> {
  const { shell } = invocation;
  // Of the served directory itself, its metadata is all that there is to be had.
  const path = verb === "stat" ? shell.remote(name, verb) : shell.remoteEntry(name, verb);
  const pattern = await remotePattern(invocation, path);
  if (!pattern) return [path];
  const paths: RemotePath[] = [];
  // What is behind a link would be removed or moved from where it really is.
  for await (const { path } of matchingEntries(invocation, pattern, false, false)) {
    requireFew(paths.push(parseRemotePath(path, false)), name);
  }
  if (paths.length === 0) throw nothingMatches(verb, name);
  return paths;
}

/** The paths that names and patterns stand for, in their order, or why it is not known. */
export async function remoteTargets(
  invocation: Invocation,
  names: readonly string[],
  verb: string,
): Promise<(RemotePath | FerryError)[]> {
  const targets: (RemotePath | FerryError)[] = [];
  for (const name of names) {
    try {
      targets.push(...await remoteMatches(invocation, name, verb));
    } catch (error) {
      if (invocation.signal.aborted) throw error;
      targets.push(toFerryError(error));
    }
    requireFew(targets.length, name);
  }
  return targets;
}
