import { basename, join } from "@std/path";
import { takeTurn } from "../../transport/scheduler.ts";
import { FerryError } from "../../core/errors.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { entriesOf } from "./entries.ts";
import { lstatOrNothing } from "./lookup.ts";
import { TEMPORARY_NAME, unlessHeld } from "./temporary_file.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { ASIDE_NAME, Removal } from "./removal.ts";
import { moved } from "./watch.ts";

/** Whether a name is that of what an upload or a removal has left, or is using. */
export function isLeftover(name: string): boolean {
  return TEMPORARY_NAME.test(name) || ASIDE_NAME.test(name);
}

/**
 * Removes what has such a name and is what it says, in a directory that was checked in this step.
 *
 * @returns Whether it stays, since somebody is writing it.
 */
export async function removeLeftover(root: string, path: string, signal: AbortSignal | undefined): Promise<boolean> {
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
