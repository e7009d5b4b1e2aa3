import type { Entry } from "../../core/metadata.ts";
import { cannot, type FerryError, hasCode } from "../../core/errors.ts";
import { joinPaths, ROOT } from "../../core/remote_path.ts";
import { unreadable } from "../../transfer/listing.ts";
import { Columns } from "../terminal/format.ts";
import { UsageError } from "../terminal/usage.ts";
import { forEach } from "./each.ts";
import type { Invocation } from "./invocation.ts";
import type { Pattern } from "./patterns.ts";
import { matchingEntries, nothingMatches, remotePattern, requireFew } from "./remote_matches.ts";
import { relativeTo } from "./resolve_path.ts";

/** Entries that are kept to find the widest size before the first line is printed. */
const BATCH_ENTRIES = 1000;

/** `dir [NAME...]` */
export async function dir(invocation: Invocation): Promise<void> {
  const { args, signal } = invocation;
  const names = args.length > 0 ? args : ["."];
  const lines = new ListingLines(invocation);
  try {
    await forEach(invocation, names, (name) => list(invocation, name, names.length > 1, lines), 1);
  } finally {
    if (!signal.aborted) await lines.flush();
  }
}

/** `lls [DIRECTORY]` */
export async function lls(invocation: Invocation): Promise<void> {
  const { shell, args: [name = "."], signal } = invocation;
  const lines = new ListingLines(invocation);
  const path = shell.local(name);
  // Not at the start, which everyone waits for.
  const { DirectoryStorage } = await import("../../storage/directory/directory_storage.ts");
  try {
    for await (const entry of DirectoryStorage.open(path).list(ROOT, { signal })) await lines.add(name, entry);
    await lines.flush();
  } catch (error) {
    throw cannot("list", path, error);
  }
}

/**
 * Adds what there is to list for one name. What is in a directory that is the only name has a path relative to that,
 * everything else one that can be typed as it is.
 *
 * @throws {FerryError} `Refused` at the end, when a directory could not be looked into.
 */
async function list(invocation: Invocation, name: string, isOneOfMany: boolean, lines: ListingLines): Promise<void> {
  const { shell, flags: { recursive }, signal } = invocation;
  const path = shell.remote(name, "list");
  const typed = (entry: Entry) => ({ ...entry, path: relativeTo(shell.remoteDirectory, entry.path) });
  const pattern = await remotePattern(invocation, path);
  if (pattern) return await listMatching(invocation, name, pattern, (entry) => lines.add(name, typed(entry)));
  let missing: FerryError | undefined;
  try {
    for await (const entry of shell.storage.list(path, { recursive, signal })) {
      if (entry.unreadable) missing ??= unreadable(joinPaths(path, entry.path), entry.reason);
      const shown = isOneOfMany ? typed({ ...entry, path: joinPaths(path, entry.path) }) : entry;
      const printing = lines.add(name, shown);
      if (printing) await printing;
    }
  } catch (error) {
    if (!hasCode(error, "NotADirectory")) throw error;
    await lines.add(name, typed({ ...await shell.storage.stat(path, { signal }), path }));
  }
  if (missing) throw missing;
}

async function listMatching(
  invocation: Invocation,
  name: string,
  pattern: Pattern,
  add: (entry: Entry) => Promise<void> | void,
): Promise<void> {
  let found = false;
  for await (const entry of matchingEntries(invocation, pattern, invocation.flags.recursive)) {
    found = true;
    await add(entry);
  }
  if (!found) throw nothingMatches("list", name);
}

/** The lines of a listing. They are printed as they come, or in another order when everything is there. */
class ListingLines {
  readonly #invocation: Invocation;
  readonly #isSorted: boolean;
  readonly #columns = new Columns();
  #entries: Entry[] = [];

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
    const { time, size } = invocation.flags;
    if (time && size) throw new UsageError("-t and -S cannot be combined");
    this.#isSorted = time || size;
  }

  /** @throws {FerryError} `TooLarge` when there are too many to be sorted. */
  add(name: string, entry: Entry): Promise<void> | void {
    const count = this.#entries.push(entry);
    if (this.#isSorted) requireFew(count, name);
    else if (count === BATCH_ENTRIES) return this.flush();
  }

  async flush(): Promise<void> {
    const { shell, flags: { time } } = this.#invocation;
    const entries = this.#entries;
    this.#entries = [];
    if (this.#isSorted) entries.sort((a, b) => time ? b.mtimeMs - a.mtimeMs : b.size - a.size);
    if (entries.length > 0) await shell.output.print(this.#columns.lines(entries));
  }
}
