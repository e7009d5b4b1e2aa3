import { cannot, FerryError, hasCode, toFerryError } from "../../core/errors.ts";
import type { Entry } from "../../core/metadata.ts";
import { joinPaths, ROOT } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { type CopyOptions, ifThere } from "../../transfer/copy.ts";
import type { Filter } from "../../transfer/filter.ts";
import type { Place } from "../../transfer/place.ts";
import { UsageError } from "../terminal/usage.ts";
import { FILES_UNDER_WAY } from "../../transfer/tree.ts";
import { Turns } from "../../transfer/turns.ts";
import { type Destination, findDestination, namesDirectory, notDirectory, type SourceWord } from "./destinations.ts";
import { forEach } from "./each.ts";
import { transferFile } from "./file_command.ts";
import type { Transfer } from "./invocation.ts";
import { matching, selector } from "./patterns.ts";
import { localSide, remoteSide, type Source, type TransferSide } from "./transfer_sides.ts";
import { transferTree, type TreeChoices } from "./tree_command.ts";
import { requireDirectory, requireTree, sayUnmatched } from "./tree_options.ts";

/** How many names of several sources are remembered. */
const MAX_NAMES = 1_000_000;

/** One use of get or put, with all that its words mean. */
interface Job {
  readonly transfer: Transfer;
  readonly verb: "get" | "put";
  readonly from: TransferSide;
  readonly to: TransferSide;
  readonly destination: Destination;
  /** Absent when two sources cannot mean one file: names that were typed were compared before. */
  readonly names: Names | undefined;
  /** The directories that were made, or would be. */
  readonly made: Map<string, Promise<void>>;
  /** How each of several files is transferred. */
  readonly together: Pick<CopyOptions, "turn" | "connections">;
  /** Trees go one after the other: each alone has many files under way. */
  readonly trees: Turns;
  /** Whether what others have left at the target was removed. */
  isSwept: boolean;
}

/** Where the files of several sources go, so that none replaces that of an earlier source. */
class Names {
  /** The first path of the present source that an earlier one has, too. */
  twice: string | undefined;
  readonly #paths = new Set<string>();

  /** Whether nothing has the path yet, which is relative to TARGET. */
  claim(path: string): boolean {
    if (this.#paths.has(path)) {
      this.twice ??= path;
      return false;
    }
    if (this.#paths.size === MAX_NAMES) {
      throw new FerryError("TooLarge", `Several sources have over ${MAX_NAMES} files; transfer each by itself`);
    }
    this.#paths.add(path);
    return true;
  }
}

/** Transfers what the words of a `get` or `put` name; the others when one fails. */
export async function transferWords(transfer: Transfer, verb: "get" | "put"): Promise<void> {
  const { flags: { all, update, checksum, recursive, connections }, args } = transfer;
  if (all && (update || checksum)) throw new UsageError("--all cannot be combined with --update or --checksum");
  const sides = [remoteSide(transfer), localSide(transfer)] as const;
  const [from, to] = verb === "get" ? sides : [sides[1], sides[0]];
  const destination = await findDestination(from, to, { args, recursive });
  const { sources } = destination;
  requireTree(transfer, sources);
  await requireRights(transfer, to);
  const isOpen = sources.length > 1 && sources.some(({ name }) => name === undefined);
  // As in a tree: what is put is read only when it can be sent.
  const turns = new Turns(connections);
  const together = { connections: 1, turn: verb === "put" ? () => turns.take() : undefined };
  const job: Job = {
    transfer,
    verb,
    from,
    to,
    destination,
    made: new Map(),
    names: isOpen ? new Names() : undefined,
    together: sources.length > 1 ? together : {},
    trees: new Turns(1),
    isSwept: false,
  };
  // What an earlier source has put there is not replaced.
  const atOnce = isOpen ? 1 : FILES_UNDER_WAY * connections;
  await forEach(transfer, sources, (source) => transferOne(job, source), atOnce);
  sayUnmatched(transfer);
}

/** @throws {FerryError} `Refused` for an option that needs more than we may do at the target. */
async function requireRights({ shell, flags, retry, signal }: Transfer, to: TransferSide): Promise<void> {
  const option = (["update", "checksum", "dry-run", "delete"] as const).find((name) => flags.given.includes(name));
  const refuse = (name: string, what: string) => new FerryError("Refused", `Cannot use --${name}: you may not ${what}`);
  if (option !== undefined && !await to.mayLook()) throw refuse(option, "list or read anything here");
  if (!flags.delete || to.where === "here" || await retry.run(() => shell.may("remove", signal), signal)) return;
  throw refuse("delete", "remove anything here");
}

/** @returns What there is to print. */
async function transferOne(job: Job, source: SourceWord): Promise<string | void> {
  const { verb, names } = job;
  const text = source.pattern
    ? await transferMatching(job, source.word, source.pattern)
    : await transferWord(job, source);
  const twice = names?.twice;
  if (!names || twice === undefined) return text;
  names.twice = undefined;
  throw cannot(verb, twice, new FerryError("AlreadyExists", "it is transferred by an earlier source"));
}

/** Transfers what a word names that is no pattern. */
async function transferWord(job: Job, source: SourceWord): Promise<string | void> {
  const { transfer, verb, from, to, destination: { sources, word, isDirectory, isMissing, isClear }, names } = job;
  const { flags, filter, shell } = transfer;
  const saysDirectory = namesDirectory(from.slashed(source.word));
  const isNeeded = isDirectory && isMissing || saysDirectory;
  const found = await from.source(source.word, { isNeeded, isAlone: sources.length === 1 });
  await using _entries = found.entries;
  await isClear;
  const { place, metadata } = found;
  if (metadata?.kind === "directory") {
    if (!flags.recursive) throw refuseDirectory(verb, place.shown);
    const leave = await job.trees.take();
    return await transferDirectory(job, source, found).finally(leave);
  }
  requireDirectory(flags, source.word);
  if (metadata && saysDirectory) {
    throw cannot(verb, source.word, new FerryError("NotADirectory", "it is not a directory"));
  }
  const name = from.nameOf(source.word);
  if (filter && !filter.selector()({ path: name, kind: "file", size: 0, mtimeMs: 0 })) {
    return shell.output.inform(`Skipped ${quote(place.shown)}: it is excluded.`);
  }
  if (names && !names.claim(name)) return;
  return await transferNamed(job, found, to.target(word, isDirectory ? name : undefined));
}

function refuseDirectory(verb: string, shown: string): FerryError {
  return cannot(verb, shown, new FerryError("IsADirectory", `it is a directory; use ${verb} -r`));
}

/** Transfers what is a file, as far as is known. */
async function transferNamed(job: Job, { place, metadata }: Source, target: Place): Promise<string | void> {
  const { transfer, verb, destination, together } = job;
  if (destination.isDirectory && metadata) await makeTarget(job);
  try {
    const more = { ...together, known: metadata };
    const text = await transferFile(transfer, verb, { source: place, target }, more);
    const isSwept = job.isSwept || verb === "put";
    job.isSwept = true;
    // What others have left there and cannot be removed is no failure of this file.
    if (!isSwept) await target.storage.sweep?.(ROOT).catch(() => {});
    return text;
  } catch (error) {
    if (!hasCode(error, "IsADirectory") || verb === "put") throw error;
    // Either side may be one. What is wrong with the source is said first.
    const found = await ifThere(place.storage.stat(place.path, { signal: transfer.signal }));
    if (!found) throw cannot(verb, place.shown, new FerryError("NotFound", "no such file or directory"));
    throw found.kind === "directory" ? refuseDirectory(verb, place.shown) : error;
  }
}

async function transferDirectory(
  job: Job,
  { name }: SourceWord,
  { place, metadata, entries }: Source,
): Promise<void> {
  const { transfer, verb, to, destination: { word, isMissing }, names } = job;
  if (!metadata || !entries) return;
  const target = to.target(word, name);
  const isNew = isMissing || name !== undefined && !await isDirectoryAt(to, target);
  // What was there, and only takes the content, stays as it is.
  const stays = name === undefined && (!isNew || target.path === ROOT);
  const choices = await choicesOf(job, isNew);
  const wanted = transfer.flags.delete ? await notEmpty(entries, transfer.filter) : entries;
  if (transfer.flags.dryRun && name !== undefined) await makeTarget(job);
  await makeDirectory(job, target, isNew, stays ? undefined : metadata.mode);
  const select = names &&
    ((entry: Entry) => entry.kind !== "file" || names.claim(joinPaths(name ?? "", entry.path)));
  const root = stays ? undefined : metadata;
  await transferTree(transfer, verb, { source: place, target }, wanted, { ...choices, select, root });
}

/**
 * The same entries without what the filter leaves out, once there is one.
 *
 * @throws {FerryError} `Refused` when there is none: with `--delete`, nothing would be left.
 */
async function notEmpty(entries: AsyncIterable<Entry>, filter: Filter | undefined): Promise<AsyncGenerator<Entry>> {
  const takes = filter?.selector();
  const taken = (async function* () {
    for await (const entry of entries) if (!takes || takes(entry)) yield entry;
  })();
  try {
    const first = await taken.next();
    if (first.done) throw new FerryError("Refused", "the source is empty, or all in it is excluded");
    return (async function* () {
      yield first.value;
      yield* taken;
    })();
  } catch (error) {
    const { code, message, cause } = toFerryError(error);
    throw new FerryError(code, `Nothing was deleted: ${message}`, { cause });
  }
}

async function isDirectoryAt(to: TransferSide, place: Place): Promise<boolean> {
  const there = await to.look(place);
  if (there?.kind === "file") throw notDirectory(place.shown);
  return there !== undefined;
}

async function transferMatching(
  job: Job,
  typed: string,
  pattern: NonNullable<SourceWord["pattern"]>,
): Promise<void> {
  const { transfer, verb, from, to, destination: { word, isMissing, isClear }, names } = job;
  const { shell, filter, flags: { recursive } } = transfer;
  const base = pattern.base || (from.slashed(typed).startsWith("/") ? "/" : ".");
  const { place, entries } = from.base(base, pattern.recursive || recursive);
  const target = to.target(word);
  const matches = selector(pattern, recursive);
  const select = (entry: Entry) => matches(entry) && (entry.kind !== "file" || !names || names.claim(entry.path));
  const choices = { select, ...await choicesOf(job, isMissing) };
  let isExcluded = false;
  const wanted = matching(entries, {
    pattern,
    whole: recursive,
    filter,
    reason: `it is a directory; use ${verb} -r`,
    onExcluded: () => void (isExcluded = true),
    onFirst: async () => {
      await isClear;
      await makeDirectory(job, target, isMissing);
    },
  });
  const found = await transferTree(transfer, verb, { source: place, target }, wanted, choices);
  if (found > 0 || names?.twice !== undefined) return;
  if (!isExcluded) throw cannot(verb, typed, new FerryError("NotFound", `nothing ${from.where} matches it`));
  shell.output.inform(`${verb === "get" ? "Got" : "Put"} 0 files: all that matches ${quote(typed)} is excluded.`);
}

/** What is skipped, and what the server lets us do. @param isNew Whether there is nothing at the target to compare with. */
async function choicesOf({ transfer, verb, to }: Job, isNew: boolean): Promise<TreeChoices> {
  const { shell, flags: { all, update, checksum }, signal } = transfer;
  const mayChange = verb === "get" || await shell.may("overwrite", signal);
  const compare = isNew ? { same: false, update: false, checksum: false } : { same: !all, update, checksum };
  return { ...compare, isNew, mayLook: await to.mayLook(), mayChange };
}

/** Makes TARGET if it may be missing. */
async function makeTarget(job: Job): Promise<void> {
  const { to, destination: { word, isMissing } } = job;
  if (isMissing) await makeDirectory(job, to.target(word), true);
}

/** Makes a directory at the target, or says that it would; once. */
function makeDirectory(job: Job, place: Place, isNew: boolean, mode?: number): Promise<void> {
  const { transfer: { shell, flags }, to, made } = job;
  const make = async () => {
    // This changes nothing about one that is there, but fails at once, not for each file, where nothing may be put into it.
    if (!flags.dryRun) await to.make(place, mode);
    else if (isNew) await shell.output.print(`mkdir ${quote(place.shown)}\n`);
  };
  const making = made.get(place.shown) ?? make();
  made.set(place.shown, making);
  return making;
}
