import { basename, join } from "@std/path";
import { takeTurn } from "../../transport/scheduler.ts";
import { FerryError } from "../../core/errors.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { entriesOf } from "./entries.ts";
import { lstatOrNothing } from "./lookup.ts";
import { TEMPORARY_NAME, unlessHeld } from "./temporary_file.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { ASIDE_NAME, Removal } from "./removal.ts";
import { WaitingDirectories } from "./name_budget.ts";
import { moved } from "./watch.ts";
import type { RecursiveOptions } from "../storage.ts";

/** Whether a name is that of what an upload or a removal has left, or is using. */
export function isLeftover(name: string): boolean {
  return TEMPORARY_NAME.test(name) || ASIDE_NAME.test(name);
}

/**
 * Removes what has such a name and is what it says, in a directory that was checked in this step.
 *
 * @returns Whether it stays, since somebody is writing it.
 */
async function removeLeftover(root: string, path: string, signal: AbortSignal | undefined): Promise<boolean> {
  const info = lstatOrNothing(path);
  const isAside = ASIDE_NAME.test(basename(path));
  if (info?.isFile && !isAside) return unlessHeld(path, () => Deno.removeSync(path));
  if (info?.isDirectory && isAside) await new Removal(root, path).run(info, signal);
  return false;
}

/**
 * Removes a real directory in which there is nothing but what clients cannot see, so that they take it for empty: files of
 * interrupted uploads, and what an interrupted removal has left.
 *
 * @throws {FerryError} `NotEmpty` when there is something else in it; `Busy` while somebody uploads into it.
 */
export async function removeWithLeftovers(
  root: string,
  path: string,
  info: Deno.FileInfo,
  signal: AbortSignal | undefined,
): Promise<void> {
  const directory = new PinnedDirectory(path, info);
  const refuseIf = (isHeld: boolean) => {
    if (isHeld) throw new FerryError("Busy", "a file is being uploaded into it; try again later");
  };
  // First all are looked at, so that nothing is lost when it cannot be removed.
  for await (const part of entriesOf(directory)) {
    directory.check();
    for (const { name } of part) {
      if (!isLeftover(name)) throw new FerryError("NotEmpty", "the directory is not empty");
      if (TEMPORARY_NAME.test(name)) refuseIf(unlessHeld(join(path, name), () => {}));
    }
    await takeTurn();
    throwIfAborted(signal);
  }
  for await (const part of entriesOf(directory)) {
    await takeTurn();
    for (const { name } of part) {
      directory.check();
      if (isLeftover(name)) refuseIf(await removeLeftover(root, join(path, name), signal));
    }
  }
  directory.check();
  Deno.removeSync(path);
  moved(path);
}

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
