import { join } from "@std/path";
import { isSameFile, lstatOrNothing, realPathOrNothing } from "./lookup.ts";
import { PARTIAL_NAME } from "./partial.ts";

/** A partial file that nobody has touched for so long was given up, in ms: a week. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000;

/** Removes a partial file that was given up and that nobody is writing. */
function sweepFile(path: string): void {
  const info = lstatOrNothing(path);
  // A time that no date can hold compares with nothing.
  const isAbandoned = Date.now() - (info?.mtime?.getTime() ?? Infinity) >= ABANDONED_MS;
  if (!info?.isFile || !isAbandoned) return;
  using file = Deno.openSync(path, { read: true, write: true });
  if (file.tryLockSync(true) && isSameFile(info, file.statSync())) Deno.removeSync(path);
}

/**
 * Removes the partial files in one directory that were given up. Directories are read with asynchronous calls, which
 * give the names in parts: nobody waits for this work, so it must not hold up anybody.
 *
 * @returns The directories in it.
 */
async function sweepOne(directory: string, signal: AbortSignal | undefined): Promise<string[]> {
  const below: string[] = [];
  // Someone may have put a link in the directory's place since it was listed.
  if (realPathOrNothing(directory) !== directory) return below;
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (signal?.aborted) break;
    if (isDirectory) below.push(join(directory, name));
    else if (PARTIAL_NAME.test(name)) sweepFile(join(directory, name));
  }
  return below;
}

/** Removes the partial files that were given up from a real directory, and with `recursive` from those below. */
export async function sweep(
  directory: string,
  { recursive = false, signal }: { recursive?: boolean; signal?: AbortSignal | undefined },
): Promise<void> {
  const waiting = await sweepOne(directory, signal);
  while (recursive && !signal?.aborted) {
    const next = waiting.pop();
    if (next === undefined) return;
    try {
      waiting.push(...await sweepOne(next, signal));
    } catch {
      // It is gone, or may not be read; there is nothing to do about it.
    }
  }
}
