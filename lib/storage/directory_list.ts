import { join } from "@std/path";
import { takeTurn } from "../net/turn.ts";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { facts } from "./facts.ts";
import { lstatOrNothing, realPathOrNothing } from "./lookup.ts";
import { isReserved, MAX_PATH_DEPTH } from "./path.ts";
import type { Entry } from "./storage.ts";

/** After so many entries other connections get their turn. */
const ENTRIES_PER_TURN = 64;

/** So many names are sorted at once; enough for the first frame of a listing. */
const NAMES_AT_ONCE = 2048;

/** Of so many names from all over, the middle one divides the others. */
const SAMPLE_SIZE = 9;

/** Names in order, sorted piece by piece so that the first of very many need not wait for all of them. */
function* inOrder(names: string[]): Generator<string> {
  const pieces = [names];
  for (let piece = pieces.pop(); piece; piece = pieces.pop()) {
    const middle = piece.length <= NAMES_AT_ONCE ? undefined : middleOf(piece);
    const [lower, upper]: [string[], string[]] = [[], []];
    if (middle !== undefined) { for (const name of piece) (name < middle ? lower : upper).push(name); }
    if (lower.length === 0) yield* piece.sort();
    else pieces.push(upper, lower);
  }
}

/** A name that about half of the others come before. */
function middleOf(names: string[]): string | undefined {
  const step = names.length / SAMPLE_SIZE;
  const sample = Array.from({ length: SAMPLE_SIZE }, (_, i) => names[Math.floor((i + Math.random()) * step)] ?? "");
  return sample.sort()[SAMPLE_SIZE >> 1];
}

/** Names of what is in a directory, in order; Ferry's own left out. */
function namesIn(directory: string): Generator<string> {
  refuseLink(directory);
  const names: string[] = [];
  for (const { name } of Deno.readDirSync(directory)) if (!isReserved(name)) names.push(name);
  refuseLink(directory);
  return inOrder(names);
}

/** The same, or undefined for a directory that we may not list. */
function namesUnlessRefused(directory: string): Generator<string> | undefined {
  try {
    return namesIn(directory);
  } catch (error) {
    if (toFerryError(error).code === "Refused") return undefined;
    throw error;
  }
}

/** Fails when someone has put a link in a directory's place, or on the way to it, since it was looked at. */
function refuseLink(directory: string): void {
  if (realPathOrNothing(directory) !== directory) throw new FerryError("NotFound", "no such file or directory");
}

/** Whether a failure only means that an entry or directory went away, or may not be looked at, while we listed. */
function isSkippable(error: unknown): boolean {
  return ["NotFound", "NotADirectory", "Refused", "InvalidPath"].includes(toFerryError(error).code);
}

/**
 * Lists a real directory, and with `recursive` those in it, parents before children, sorted by name. Links to
 * directories are listed and not entered. Anything that is neither a file nor a directory is left out. A directory
 * that may not be read is listed as `unreadable`, so that nobody takes the listing for complete.
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
    const open = [{ directory, prefix: "", names: namesIn(directory) }];
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
        const enters = recursive && own?.isDirectory && open.length < MAX_PATH_DEPTH;
        const names = enters ? namesUnlessRefused(real) : undefined;
        yield { path, kind, size, mtimeMs, ...(enters && !names ? { unreadable: true } : {}) };
        if (names) open.push({ directory: real, prefix: `${path}/`, names });
      } catch (error) {
        if (!isSkippable(error)) throw error;
      }
    }
  } catch (error) {
    throw toFerryError(error);
  }
}
