import { join } from "@std/path";
import { takeTurn } from "../net/turn.ts";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { facts } from "./facts.ts";
import { lstatOrNothing, realPathOrNothing } from "./lookup.ts";
import { isReserved, MAX_PATH_DEPTH } from "./path.ts";
import type { Entry } from "./storage.ts";

/** After so many entries other connections get their turn. */
const ENTRIES_PER_TURN = 64;

/** Names of what is in a directory, sorted; Ferry's own left out. */
function namesIn(directory: string): string[] {
  // Someone may have put a link in the directory's place since it was looked at.
  if (realPathOrNothing(directory) !== directory) throw new FerryError("NotFound", "no such file or directory");
  const names = Array.from(Deno.readDirSync(directory), (entry) => entry.name).filter((name) => !isReserved(name));
  return names.sort();
}

/** Whether a failure only means that an entry or directory went away, or may not be looked at, while we listed. */
function isSkippable(error: unknown): boolean {
  return ["NotFound", "NotADirectory", "Refused", "InvalidPath"].includes(toFerryError(error).code);
}

/**
 * Lists a real directory, and with `recursive` those in it, parents before children, sorted by name. Links to
 * directories are listed and not entered. Anything that is neither a file nor a directory is left out.
 *
 * @param directory The real path of the directory.
 * @param followLink Gives what a link leads to, or undefined when it does not exist for clients.
 */
export async function* listTree(
  directory: string,
  recursive: boolean,
  followLink: (link: string) => Deno.FileInfo | undefined,
): AsyncGenerator<Entry> {
  try {
    if (recursive) await takeTurn();
    const open = [{ directory, prefix: "", names: namesIn(directory).values() }];
    for (let seen = 1; open.length > 0; seen++) {
      if (seen % ENTRIES_PER_TURN === 0) await takeTurn();
      const level = open[open.length - 1] ?? open[0];
      const next = level?.names.next();
      if (!level || !next || next.done) {
        open.pop();
        continue;
      }
      const real = join(level.directory, next.value);
      const path = level.prefix + next.value;
      try {
        const own = lstatOrNothing(real);
        const info = own?.isSymlink ? followLink(real) : own;
        if (!info?.isFile && !info?.isDirectory) continue;
        const { kind, size, mtimeMs } = facts(info);
        yield { path, kind, size, mtimeMs };
        if (recursive && own?.isDirectory && open.length < MAX_PATH_DEPTH) {
          open.push({ directory: real, prefix: `${path}/`, names: namesIn(real).values() });
        }
      } catch (error) {
        if (!isSkippable(error)) throw error;
      }
    }
  } catch (error) {
    throw toFerryError(error);
  }
}
