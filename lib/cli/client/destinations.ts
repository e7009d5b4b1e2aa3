import { cannot, FerryError } from "../../core/errors.ts";
import { splitPath } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { UsageError } from "../terminal/usage.ts";
import { parsePattern, type Pattern } from "./patterns.ts";
import type { TransferSide } from "./transfer_sides.ts";

/** A word that names what is to be transferred. */
export interface SourceWord {
  readonly word: string;
  /** The name that it gets in TARGET; undefined for a pattern, and when a directory's content goes into TARGET itself. */
  readonly name: string | undefined;
  readonly pattern: Pattern | undefined;
}

/** What the words of a `get` or `put` mean. */
export interface Destination {
  readonly sources: readonly SourceWord[];
  /** TARGET, as it was typed; the current directory when it was not. */
  readonly word: string;
  /** Whether that is the directory that the sources go into, and not the new name of the only one. */
  readonly isDirectory: boolean;
  /** Whether it may have to be made. */
  readonly isMissing: boolean;
  /** To be waited for before anything is changed: fails when TARGET may be one more source. */
  readonly isClear?: Promise<void> | undefined;
}

/** What is known of the words before anything is looked at. */
export interface DestinationOptions {
  readonly args: readonly string[];
  readonly recursive: boolean;
}

/** Whether a name can only be that of a directory. */
export function namesDirectory(name: string): boolean {
  return name.endsWith("/") || [".", ".."].includes(splitPath(name)[1]);
}

/**
 * Whether the content of a directory is meant and not the directory: `.`, `..` and `/` have no name of their own, and a
 * `/` at the end says so where there is a TARGET.
 */
function meansContent(word: string, hasTarget: boolean): boolean {
  const [, last] = splitPath(word.replace(/\/+$/, ""));
  return ["", ".", ".."].includes(last) || hasTarget && word.endsWith("/");
}

/** The pattern that a word is, unless something really has that name. */
async function patternOf(side: TransferSide, word: string): Promise<Pattern | undefined> {
  const pattern = parsePattern(side.slashed(word));
  return pattern && !await side.has(word) ? pattern : undefined;
}

/**
 * Finds out where a `get` or `put` puts what; that does not depend on what is there, except that a single file goes into
 * a directory. Changes nothing: a shell that has expanded a pattern, or a word too few, would otherwise store one file
 * under the name of another, and never transfer that.
 *
 * @throws {UsageError} When the last word is empty, or may be one more source; the latter perhaps only from `isClear`.
 * @throws {FerryError} When TARGET has to be a directory, and is none.
 */
export async function findDestination(
  from: TransferSide,
  to: TransferSide,
  { args, recursive }: DestinationOptions,
): Promise<Destination> {
  const words = args.length > 1 ? args.slice(0, -1) : args;
  const typed = args.length > 1 ? args.at(-1) : undefined;
  if (typed === "") throw new UsageError(`The last word is empty; write . for the current directory ${to.where}`);
  const sources = await Promise.all(words.map(async (word): Promise<SourceWord> => {
    const pattern = await patternOf(from, word);
    const hasName = !pattern && !meansContent(from.slashed(word), typed !== undefined);
    return { word, pattern, name: hasName ? from.nameOf(word) : undefined };
  }));
  requireDifferentNames(sources);
  if (typed === undefined) return { sources, word: ".", isDirectory: true, isMissing: false };
  const place = to.target(typed);
  const there = await to.look(place);
  if (there?.kind === "directory") return { sources, word: typed, isDirectory: true, isMissing: false };
  await requireNoPattern(from, typed, to.where);
  const saysDirectory = namesDirectory(to.slashed(typed));
  const isDirectory = saysDirectory || recursive || sources.length > 1 || sources.some(({ pattern }) => pattern);
  const isFile = there !== undefined;
  const isClear = saysDirectory ? undefined : requireNoSource(from, to, { typed, words, isFile, isDirectory });
  isClear?.catch(() => {});
  // Where only a single source would get another name, it is found out together with what that is.
  if (from.where === "here" || isFile || words.length > 1) await isClear;
  if (there && isDirectory) throw notDirectory(place.shown);
  return { sources, word: typed, isDirectory, isMissing: true, isClear };
}

/** The failure to put something into what is a file. */
export function notDirectory(shown: string): FerryError {
  return cannot("write", shown, new FerryError("NotADirectory", "it is not a directory"));
}

/** @throws {UsageError} When a pattern stands where the target should. @param where Where the target is, in words. */
export async function requireNoPattern(from: TransferSide, typed: string, where: string): Promise<void> {
  if (!await patternOf(from, typed)) return;
  throw new UsageError(
    `${quote(typed)} is a pattern and no directory ${where}, and the last word says where the files go. Add where, ` +
      `such as . for the current directory ${where}`,
  );
}

/** @throws {UsageError} When the last word, no directory as far as one may look, may be one more source. */
async function requireNoSource(
  from: TransferSide,
  to: TransferSide,
  { typed, words, isFile, isDirectory }: {
    readonly typed: string;
    readonly words: readonly string[];
    /** Whether it is a file at the target. */
    readonly isFile: boolean;
    /** Whether it has to be a directory. */
    readonly isDirectory: boolean;
  },
): Promise<void> {
  if (!await from.has(typed, words.length > 1 ? undefined : words[0])) return;
  const why = `${quote(typed)} looks like a source, since it is ${from.where}, too`;
  const add = `one more word to transfer it, such as . for the current directory ${to.where}`;
  if (!isFile) {
    const other = `and it is not known to be a directory ${to.where}. Write ${quote(`${typed}/`)} for one`;
    throw new UsageError(`${why}, ${other}, or ${add}`);
  }
  const then = isDirectory ? `it is no directory ${to.where}` : `the file of that name ${to.where} would be replaced`;
  throw new UsageError(`${why}, and ${then}. Write ${add}; to replace it, remove it first`);
}

/** @throws {UsageError} When two sources have one name, so that one would replace the other. */
function requireDifferentNames(sources: readonly SourceWord[]): void {
  const names = new Set<string>();
  for (const { name } of sources) {
    if (name === undefined) continue;
    if (names.has(name)) throw new UsageError(`Two sources are called ${quote(name)}, and one would replace the other`);
    names.add(name);
  }
}
