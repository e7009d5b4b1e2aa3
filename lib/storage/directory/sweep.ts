import { join } from "@std/path";
import { takeTurn } from "../../transport/scheduler.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { entriesOf } from "./entries.ts";
import { isLeftover, removeLeftover } from "./leftovers.ts";
import { lstatOrNothing } from "./lookup.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { WaitingDirectories } from "./waiting_directories.ts";
import type { RecursiveOptions } from "../storage.ts";

/** What nobody has touched for so long was given up, in ms: a week. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000;

/** Whether something was given up. A time that is as far ahead was set by somebody, or by a clock that was wrong. */
function isAbandoned({ mtime }: Deno.FileInfo): boolean {
  // A time that no date can hold compares with nothing.
  return mtime !== null && !(Math.abs(Date.now() - mtime.getTime()) < ABANDONED_MS);
}

/**
 * Removes what was given up from a real directory, and with `recursive` from those below: partial files, and what
 * interrupted removals have left. What may not be opened is left alone.
 *
 * @throws What happens when the directory itself cannot be read.
 */
export async function sweep(root: string, top: string, { recursive, signal }: RecursiveOptions): Promise<void> {
  using waiting = new WaitingDirectories();
  const sweepOne = async (path: string) => {
    const info = lstatOrNothing(path);
    if (!info?.isDirectory || signal?.aborted) return;
    const directory = new PinnedDirectory(path, info);
    for await (const part of entriesOf(directory)) {
      for (const { name, isDirectory } of part) {
        if (isLeftover(name)) await sweepLeftover(root, directory, name, signal);
        // Where there is no memory to have it wait, at once.
        else if (recursive && isDirectory && !waiting.add(join(path, name))) await sweepBelow(join(path, name));
      }
      await takeTurn();
      if (signal?.aborted) return;
    }
  };
  // One that is gone, was moved, or may not be read is left out.
  const sweepBelow = (path: string): Promise<void> => sweepOne(path).catch(() => {});
  await sweepOne(top);
  for (let next = waiting.next(); next !== undefined; next = waiting.next()) await sweepBelow(next);
  throwIfAborted(signal);
}

/** Removes something that an upload or a removal has left, if it was given up and nobody is writing it. */
async function sweepLeftover(
  root: string,
  directory: PinnedDirectory,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  directory.check();
  const path = join(directory.path, name);
  try {
    const info = lstatOrNothing(path);
    if (info && isAbandoned(info)) await removeLeftover(root, path, signal);
  } catch {
    // It is somebody else's, or gone: there is nothing to do about it, and the others do not depend on it.
  }
}
