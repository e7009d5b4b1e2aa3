import { Condition } from "../core/condition.ts";
import { FerryError, hasCode, toFerryError } from "../core/errors.ts";
import type { Entry } from "../core/metadata.ts";
import { eitherSignal, throwIfAborted } from "../core/unless_aborted.ts";
import { joinPaths, parseRemotePath, splitPath } from "../core/remote_path.ts";
import { REQUEST_WINDOW } from "../protocol/constants.ts";
import { copyFile, type CopyOptions, type Outcome } from "./copy.ts";
import { unreadable } from "./listing.ts";
import { failureOf, type Place, placeIn } from "./place.ts";
import { type DirectoryMetadata, TreeDirectories, type TreeDirectory } from "./tree_directories.ts";
import { endsTransfer } from "./retry.ts";
import { PIECE_BYTES } from "./pump.ts";
import { Turns } from "./turns.ts";

/** How many files may be under way on one connection: most of the window; the rest is room for what goes with them. */
const FILES_UNDER_WAY = REQUEST_WINDOW * 3 / 4;

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
  /** Files that did not have to be copied. */
  skipped: number;
  /** Entries that could not be copied. */
  failed: number;
  /** The file that was worked on last. */
  current: string;
}

/** How to copy a tree. */
export interface TreeOptions extends Omit<CopyOptions, "known" | "onProgress" | "mtimeMs" | "turn" | "attempts"> {
  /** Over how many connections; for each, a number of files is under way at a time. 1 when absent. */
  readonly connections?: number | undefined;
  /** What the top of the tree is to be in the end; left as it is when absent. */
  readonly root?: DirectoryMetadata | undefined;
  /** Whether directories of the target may be given times and permission bits (the default). */
  readonly mayChange?: boolean | undefined;
  /** Which entries to take; all when absent. */
  readonly select?: ((entry: Entry) => boolean) | undefined;
  /** Told after every step. Must not throw. */
  readonly onStep?: ((progress: TreeProgress) => void) | undefined;
  /** Told of each entry that could not be copied; the others go on. */
  readonly onFailure?: ((path: string, error: FerryError) => void) | undefined;
  /** Told of each file that would be copied, with `dryRun`. */
  readonly onPlan?: ((path: string) => Promise<void>) | undefined;
}

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
    skipped: 0,
    failed: 0,
    current: "",
  };
  readonly #source: Place;
  readonly #target: Place;
  readonly #options: TreeOptions;
  /** Aborted with the reason when nothing more can be transferred. */
  readonly #stop = new AbortController();
  /** Aborted when the copy ends early. */
  readonly #signal: AbortSignal;
  readonly #fileOptions: CopyOptions;
  readonly #directories: TreeDirectories;
  readonly #mostUnderWay: number;
  #underWay = 0;
  /** Notified when something that was under way has ended. */
  readonly #finished = new Condition();

  constructor(source: Place, target: Place, options: TreeOptions) {
    const { connections = 1, verb, root, retry, dryRun, mayChange } = options;
    const signal = eitherSignal(options.signal, this.#stop.signal);
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#signal = signal;
    this.#mostUnderWay = FILES_UNDER_WAY * connections;
    const follow = (path: string, work: Promise<void>) => this.#follow(path, work);
    this.#directories = new TreeDirectories(target, root, { retry, dryRun, mayChange, signal, follow });
    // What is got is asked for ahead; what is put is read only when it can be sent, so that little is open or in memory.
    const turns = new Turns(connections);
    this.#fileOptions = { ...options, signal, connections: 1, turn: verb === "get" ? undefined : () => turns.take() };
  }

  async run(entries: AsyncIterable<Entry>): Promise<TreeProgress> {
    const { select } = this.#options;
    const signal = this.#signal;
    try {
      for await (const entry of entries) {
        if (select && !select(entry)) {
          // What is meant may be in it.
          if (entry.unreadable) this.#failed(entry.path, this.#unreadable(entry));
          continue;
        }
        while (this.#underWay >= this.#mostUnderWay) await this.#finished.next;
        if (signal.aborted) break;
        this.#start(entry);
      }
      this.progress.listed = true;
      this.#directories.end();
    } catch (error) {
      if (endsTransfer(toFerryError(error).code)) this.#stop.abort(error);
      throw error;
    } finally {
      while (this.#underWay > 0) await this.#finished.next;
    }
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    throwIfAborted(signal);
    return this.progress;
  }

  #start(entry: Entry): void {
    this.progress.entries++;
    if (entry.kind === "file") {
      this.progress.filesKnown++;
      this.progress.bytesKnown += entry.size;
    }
    this.#follow(entry.path, entry.kind === "file" ? this.#file(entry) : this.#other(entry));
  }

  /** Counts work on an entry as under way until it ends. */
  #follow(path: string, work: Promise<void>): void {
    this.#underWay++;
    void work.catch((error) => this.#failed(path, toFerryError(error))).finally(() => {
      this.#underWay--;
      this.#finished.notifyAll();
      this.#options.onStep?.(this.progress);
    });
  }

  #failed(path: string, error: FerryError): void {
    if (this.#signal.aborted) return;
    // The others would all fail as this one did.
    if (endsTransfer(error.code)) return this.#stop.abort(error);
    this.progress.failed++;
    this.#options.onFailure?.(path, error);
  }

  #unreadable(entry: Entry): FerryError {
    return unreadable(joinPaths(this.#source.shown, entry.path));
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
    await this.#directories.enter(path, entry.unreadable ? { ...entry, mode: withOwner(entry.mode) } : entry).making;
    if (entry.unreadable) throw this.#unreadable(entry);
  }

  async #file(entry: Entry): Promise<void> {
    const path = parseRemotePath(entry.path);
    const [parent] = splitPath(path);
    const directory = this.#directories.enter(parent);
    directory.open++;
    try {
      const outcome = await this.#copy(entry, placeIn(this.#source, path), placeIn(this.#target, path), directory);
      if (outcome === "planned") await this.#options.onPlan?.(path);
      if (outcome === "skipped") this.progress.skipped++;
      else this.progress.filesDone++;
    } finally {
      this.#directories.release(directory);
    }
  }

  async #copy(known: Entry, source: Place, target: Place, directory: TreeDirectory): Promise<Outcome> {
    const { progress } = this;
    let counted = 0;
    let last = 0;
    const count = (moved: number) => {
      progress.bytesDone += moved - counted;
      counted = moved;
    };
    const onProgress = (moved: number) => {
      last = moved;
      // Small files wait together to be sent, and count when they have arrived.
      if (known.size > PIECE_BYTES) count(moved);
      progress.current = known.path;
      this.#options.onStep?.(progress);
    };
    const options = { ...this.#fileOptions, known, onProgress };
    // To wait for the directory would cost a round trip. It may come, or let us write, later than the file.
    const mayBeEarly = !directory.isSettled;
    let outcome: Outcome | undefined;
    try {
      return outcome = await copyFile(source, target, options);
    } catch (error) {
      if (!mayBeEarly || !hasCode(error, "NotFound", "Refused")) throw error;
      await directory.making;
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
