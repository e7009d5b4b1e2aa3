import { join } from "@std/path";
import { takeTurn } from "../../transport/scheduler.ts";
import { entriesOf } from "./entries.ts";
import { lstatOrNothing } from "./lookup.ts";
import { TEMPORARY_NAME, unlessHeld } from "./temporary_file.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { ASIDE_NAME, Removal } from "./removal.ts";
import type { SweepOptions } from "../storage.ts";
import { DirectoryStack, pathOf, type WalkedDirectory } from "./directory_stack.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";

/** What nobody has touched for so long was given up, in ms: a week. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000;

/** Whether something was given up. A time that is as far ahead was set by somebody, or by a clock that was wrong. */
function isAbandoned({ mtime }: Deno.FileInfo): boolean {
  // A time that no date can hold compares with nothing.
  return mtime !== null && !(Math.abs(Date.now() - mtime.getTime()) < ABANDONED_MS);
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
    if (!info || !isAbandoned(info)) return;
    if (info.isFile && TEMPORARY_NAME.test(name)) unlessHeld(path, () => Deno.removeSync(path));
    else if (info.isDirectory && ASIDE_NAME.test(name)) await new Removal(root, path, info).run(signal);
  } catch {
    // It is somebody else's, or gone: there is nothing to do about it, and the others do not depend on it.
  }
}

/**
 * Removes what was given up from a real directory, and with `recursive` from those below: partial files, and what
 * interrupted removals have left. What may not be opened is left alone.
 *
 * @throws What happens when the directory itself cannot be read.
 */
export async function sweep(root: string, path: string, { recursive = false, signal }: SweepOptions): Promise<void> {
  const top: WalkedDirectory = { parent: undefined, name: path, depth: 0 };
  const below = recursive ? new DirectoryStack() : undefined;
  try {
    await sweepOne(root, top, below, signal);
    for (let next = below?.next(); next; next = below?.next()) await sweepBelow(root, next, below, signal);
  } finally {
    below?.drop();
  }
  throwIfAborted(signal);
}

/** Sweeps a directory, if it is still there and may be read. */
async function sweepBelow(...of: Parameters<typeof sweepOne>): Promise<void> {
  try {
    await sweepOne(...of);
  } catch {
    // It is gone, was moved, or may not be read.
  }
}

/** Removes leftovers in one directory, and adds the directories in it to `below`, if that is given. */
async function sweepOne(
  root: string,
  walked: WalkedDirectory,
  below: DirectoryStack | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = pathOf(walked);
  const info = lstatOrNothing(path);
  if (!info?.isDirectory || signal?.aborted) return;
  const directory = new PinnedDirectory(path, info);
  for await (const part of entriesOf(directory)) {
    for (const { name, isDirectory } of part) {
      if (ASIDE_NAME.test(name) || TEMPORARY_NAME.test(name)) await sweepLeftover(root, directory, name, signal);
      else if (isDirectory && below && !below.add(walked, name)) {
        // There is no memory to have it wait.
        await sweepBelow(root, { parent: walked, name, depth: walked.depth + 1 }, below, signal);
      }
    }
    await takeTurn();
    if (signal?.aborted) return;
  }
}
