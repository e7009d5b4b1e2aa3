import { setImmediate } from "node:timers/promises";
import { join } from "@std/path";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { facts } from "./facts.ts";
import { lstatOrNothing, realPathOrNothing } from "./lookup.ts";
import { isReserved, MAX_PATH_DEPTH } from "./path.ts";
import type { Entry } from "./storage.ts";

/** After so many entries other connections get their turn. */
const ENTRIES_PER_TURN = 256;

/** So many names are sorted at once; enough for the first frame of a listing. */
const NAMES_AT_ONCE = 2048;

/** Of so many names, chosen at random, the middle one divides the others. */
const SAMPLE_SIZE = 9;

/** Different names in order, sorted piece by piece so that the first of very many need not wait for all of them. */
function* inOrder(names: string[]): Generator<string> {
  const pieces = [names];
  for (let piece = pieces.pop(); piece; piece = pieces.pop()) {
    if (piece.length <= NAMES_AT_ONCE) {
      yield* piece.sort();
      continue;
    }
    const middle = someOf(piece).sort()[SAMPLE_SIZE >> 1] ?? "";
    const [lower, upper]: [string[], string[]] = [[], []];
    for (const name of piece) (name < middle ? lower : upper).push(name);
    pieces.push(upper, lower);
  }
}

/** Different ones of very many names. */
function someOf(names: string[]): string[] {
  const chosen = new Set<string>();
  while (chosen.size < SAMPLE_SIZE) chosen.add(names[Math.floor(Math.random() * names.length)] ?? "");
  return [...chosen];
}

/** Names of what is in a directory, in order; Ferry's own left out. */
function namesIn(directory: string): Generator<string> {
  // Someone may have put a link in the directory's place since it was looked at.
  if (realPathOrNothing(directory) !== directory) throw new FerryError("NotFound", "no such file or directory");
  const names: string[] = [];
  for (const { name } of Deno.readDirSync(directory)) if (!isReserved(name)) names.push(name);
  return inOrder(names);
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
    const open = [{ directory, prefix: "", names: namesIn(directory) }];
    for (let seen = 1; open.length > 0; seen++) {
      if (seen % ENTRIES_PER_TURN === 0) await setImmediate();
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
          open.push({ directory: real, prefix: `${path}/`, names: namesIn(real) });
        }
      } catch (error) {
        if (!isSkippable(error)) throw error;
      }
    }
  } catch (error) {
    throw toFerryError(error);
  }
}
