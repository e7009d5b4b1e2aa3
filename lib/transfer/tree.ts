import { FerryError, hasCode } from "../core/errors.ts";
import type { Entry } from "../core/metadata.ts";
import { joinPaths, parseRemotePath, splitPath } from "../core/remote_path.ts";
import { REQUEST_WINDOW } from "../protocol/constants.ts";
import { copyFile, type CopyOptions, type Outcome } from "./copy.ts";
import type { Filter } from "./filter.ts";
import { unreadable } from "./listing.ts";
import { failureOf, type Place, placeIn } from "./place.ts";
import { type DirectoryMetadata, TreeDirectories, type TreeDirectory } from "./tree_directories.ts";
import { PIECE_BYTES } from "./pump.ts";
import { Turns } from "./turns.ts";
import { UnderWay } from "./under_way.ts";

/** How many files may be under way on one connection: most of the window; the rest is room for what goes with them. */
export const FILES_UNDER_WAY = REQUEST_WINDOW * 3 / 4;

/** How far the copy of a tree has come. */
export interface TreeProgress {
  /** Entries that were selected so far, directories among them. */
  entries: number;
  /** Files that were found so far; `listed` says whether these are all. */
  filesKnown: number;
  /** Whether the listing has ended. */
  listed: boolean;
  /** Files that were copied. */
  filesDone: number;
  /** The bytes in the files that were found so far. */
  bytesKnown: number;
  /** The bytes that the target has of them; of one that fails, none. */
  bytesDone: number;
  /** How many of these were kept of an earlier attempt. */
  bytesKept: number;
  /** Files that did not have to be copied. */
  skipped: number;
  /** Entries that could not be copied. */
  failed: number;
  /** The file that was worked on last. */
  current: string;
}

/** How to copy a tree. */
export interface TreeOptions
  extends Omit<CopyOptions, "known" | "onProgress" | "onGrown" | "onKept" | "mtimeMs" | "turn" | "attempts"> {
  /** Over how many connections; for each, a number of files is under way at a time. 1 when absent. */
  readonly connections?: number | undefined;
  /** What the top of the tree is to be in the end; left as it is when absent. */
  readonly root?: DirectoryMetadata | undefined;
  /** Whether the target was made for it: then nothing is looked at there. */
  readonly isNew?: boolean | undefined;
  /** Which parts of the tree are taken at all; what it leaves out does not count. Everything when absent. */
  readonly filter?: Filter | undefined;
  /** Which of these entries to take; all when absent. */
  readonly select?: ((entry: Entry) => boolean) | undefined;
  /** Told after every step. Must not throw. */
  readonly onStep?: ((progress: TreeProgress) => void) | undefined;
  /** Told of each file that only became longer meanwhile; the target has it as it was at the start, with that size. */
  readonly onGrown?: ((path: string, size: number) => void) | undefined;
  /** Told of each entry that could not be copied; the others go on. */
  readonly onFailure?: ((path: string, error: FerryError) => void) | undefined;
  /** Told of each action that would be taken, with `dryRun`. */
  readonly onPlan?: ((action: PlannedAction, path: string) => Promise<void>) | undefined;
}

/** What would be done to something in a tree: a file copied, a directory made, or either removed at the target. */
export type PlannedAction = "copy" | "mkdir" | "remove";

/** The bits of a directory of which something is missing, so that a later attempt can add it. */
function withOwner(mode: number | undefined): number | undefined {
  return mode === undefined ? undefined : mode | 0o700;
}

/** The copy of the entries of one tree, many at a time. A failure concerns one entry; the others go on. */
class TreeCopy {
  readonly progress: TreeProgress = {
    entries: 0,
    filesKnown: 0,
    listed: false,
    filesDone: 0,
    bytesKnown: 0,
    bytesDone: 0,
    bytesKept: 0,
    skipped: 0,
    failed: 0,
    current: "",
  };
  readonly #source: Place;
  readonly #target: Place;
  readonly #options: TreeOptions;
  readonly #underWay: UnderWay;
  readonly #fileOptions: CopyOptions;
  readonly #directories: TreeDirectories;

  constructor(source: Place, target: Place, options: TreeOptions) {
    const { connections = 1, verb, root, retry, dryRun, mayChange, mayLook = true, isNew = false, onPlan } = options;
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#underWay = new UnderWay({
      signal: options.signal,
      most: FILES_UNDER_WAY * connections,
      onFailure: (path, error) => {
        this.progress.failed++;
        options.onFailure?.(path, error);
      },
      onStep: () => options.onStep?.(this.progress),
    });
    const { signal } = this.#underWay;
    this.#directories = new TreeDirectories(target, root, {
      retry,
      dryRun,
      mayChange,
      compare: mayLook && !isNew,
      signal,
      onPlan,
      follow: (path, work) => this.#underWay.follow(path, work),
      onLeftOut: (count) => void (this.progress.failed += count),
    });
    // What is got is asked for ahead; what is put is read only when it can be sent, so that little is open or in memory.
    const turns = new Turns(connections);
    this.#fileOptions = {
      ...options,
      signal,
      connections: 1,
      onGrown: undefined,
      turn: verb === "get" ? undefined : () => turns.take(),
    };
  }

  async run(entries: AsyncIterable<Entry>): Promise<TreeProgress> {
    const takes = this.#options.filter?.selector();
    await this.#underWay.run(async () => {
      for await (const entry of entries) {
        if (takes && !takes(entry)) continue;
        if (!this.#isSelected(entry)) continue;
        for (let room = this.#underWay.room(); room; room = this.#underWay.room()) await room;
        if (this.#underWay.signal.aborted) break;
        this.#start(entry);
      }
      this.progress.listed = true;
      this.#directories.end();
    });
    return this.progress;
  }

  #isSelected(entry: Entry): boolean {
    const { select } = this.#options;
    if (!select || select(entry)) return true;
    // What is meant may be in it.
    if (entry.unreadable) this.#underWay.fail(entry.path, this.#unreadable(entry));
    return false;
  }

  #start(entry: Entry): void {
    this.progress.entries++;
    if (entry.kind === "file") {
      this.progress.filesKnown++;
      this.progress.bytesKnown += entry.size;
    }
    this.#underWay.follow(entry.path, entry.kind === "file" ? this.#file(entry) : this.#other(entry));
  }

  #unreadable(entry: Entry): FerryError {
    return unreadable(joinPaths(this.#source.shown, entry.path), entry.reason);
  }

  /** A directory, or what cannot be copied. */
  async #other(entry: Entry): Promise<void> {
    const path = parseRemotePath(entry.path);
    if (entry.kind === "other") {
      const { reason = "it is neither a file nor a directory" } = entry;
      const { verb = "copy" } = this.#options;
      const shown = joinPaths(this.#source.shown, path);
      throw failureOf(new FerryError("NotAFile", reason), { isSource: true }, shown, verb);
    }
    const metadata = entry.unreadable ? { ...entry, mode: withOwner(entry.mode) } : entry;
    // At once: what comes next in the listing may be in it. If it fails, that is said when all in it is over.
    const { making } = this.#directories.enter(path, metadata).value;
    const isThere = await making.then(() => true, () => false);
    if (entry.unreadable && isThere) throw this.#unreadable(entry);
  }

  async #file(entry: Entry): Promise<void> {
    const path = parseRemotePath(entry.path);
    const [parent] = splitPath(path);
    const directory = this.#directories.enter(parent);
    directory.open++;
    let outcome: Outcome | undefined;
    try {
      const ready = this.#directories.ready(directory);
      if (ready) await ready;
      outcome = await this.#copy(entry, placeIn(this.#source, path), placeIn(this.#target, path), directory);
      if (outcome === "planned") await this.#options.onPlan?.("copy", path);
      if (outcome === "skipped") this.progress.skipped++;
      else this.progress.filesDone++;
    } catch (error) {
      if (!this.#directories.explains(directory, error)) throw error;
    } finally {
      if (outcome !== "skipped") directory.value.hasChanged = true;
      this.#directories.release(directory);
    }
  }

  async #copy(known: Entry, source: Place, target: Place, directory: TreeDirectory): Promise<Outcome> {
    const { progress } = this;
    let counted = 0;
    let kept: number | undefined;
    let keptCounted = 0;
    let last = 0;
    const count = (moved: number) => {
      progress.bytesDone += moved - counted;
      counted = moved;
      const before = Math.min(kept ?? 0, moved);
      progress.bytesKept += before - keptCounted;
      keptCounted = before;
    };
    const onProgress = (moved: number) => {
      kept = Math.min(kept ?? moved, moved);
      last = moved;
      // Small files wait together to be sent, and count when they have arrived.
      if (known.size > PIECE_BYTES) count(moved);
      progress.current = known.path;
      this.#options.onStep?.(progress);
    };
    const onGrown = (size: number) => this.#options.onGrown?.(known.path, size);
    const options = { ...this.#fileOptions, known, onProgress, onGrown };
    // To wait for the directory would cost a round trip. It may come, or let us write, later than the file.
    const mayBeEarly = !directory.value.isSettled;
    let outcome: Outcome | undefined;
    try {
      return outcome = await copyFile(source, target, options);
    } catch (error) {
      if (!mayBeEarly || !hasCode(error, "NotFound", "NotADirectory", "Refused")) throw error;
      await directory.value.making;
      return outcome = await copyFile(source, target, options);
    } finally {
      count(outcome === "done" ? last : 0);
    }
  }
}

/**
 * Copies the entries of a tree between any two storages.
 *
 * @param source The directory that the paths of the entries are relative to.
 * @param target The directory that they go to; those in it are made as they are needed.
 * @throws {FerryError} What the listing throws; what says that the connection is lost; `Cancelled`.
 */
export function copyTree(
  source: Place,
  target: Place,
  entries: AsyncIterable<Entry>,
  options: TreeOptions = {},
): Promise<TreeProgress> {
  return new TreeCopy(source, target, options).run(entries);
}
