import { changed, type PinnedDirectory } from "./pinned_directory.ts";
import { Watch } from "./watch.ts";

/** A synchronous step ends after this many entries, so that others get their turn. */
export const ENTRIES_PER_STEP = 64;

/** On a slow disk it ends after this many milliseconds. */
export const MAX_STEP_MS = 4;

/**
 * A directory that is not larger, by what the system says, is read at once. How much one entry takes depends on the
 * file system: 20 to 40 bytes with most.
 */
const SMALL_DIRECTORY_BYTES = 32 * 1024;

/**
 * What Deno gives in place of bytes of a name that are not UTF-8. Deno does not document it: if it changes, what has such a
 * name is not listed, and a directory that holds it is just said not to be empty.
 */
export const REPLACEMENT = "\ufffd";

/** Whether a name may stand for one that is not UTF-8. If nothing is found under it, it does; no path leads to that. */
export function isLossy(name: string): boolean {
  return name.includes(REPLACEMENT);
}

/** Whether a directory is read at once; it takes 2 µs for each entry, and several times as long with asynchronous calls. */
export function isSmall(info: Deno.FileInfo): boolean {
  return info.size <= SMALL_DIRECTORY_BYTES;
}

/**
 * What is in a directory, in parts that one synchronous step can deal with; a large directory is read with asynchronous
 * calls. Each step has to check the directory. Someone may have put another in its place while it was opened, so the
 * names are no more than names: only what is looked at in the step that acts is known.
 *
 * @throws {FerryError} `Changed` when this process has moved the directory, whatever was opened in its place.
 */
export async function* entriesOf(directory: PinnedDirectory): AsyncGenerator<Deno.DirEntry[]> {
  const entries = isSmall(directory.check()) ? Deno.readDirSync(directory.path) : readLarge(directory.path);
  let part: Deno.DirEntry[] = [];
  for await (const entry of entries) {
    part.push(entry);
    if (part.length < ENTRIES_PER_STEP) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

/** Reads a directory with asynchronous calls; see {@linkcode entriesOf}. */
export async function* readLarge(path: string): AsyncGenerator<Deno.DirEntry> {
  using watch = new Watch(path);
  try {
    for await (const entry of Deno.readDir(path)) {
      if (watch.hasMoved) break;
      yield entry;
    }
  } catch (error) {
    if (!watch.hasMoved) throw error;
  }
  if (watch.hasMoved) throw changed();
}
