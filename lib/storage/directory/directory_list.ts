import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { takeTurn } from "../../transport/scheduler.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { ENTRIES_PER_STEP, isSmall, MAX_STEP_MS } from "./entries.ts";
import { entryOf } from "./system_metadata.ts";
import { lstatOrNothing } from "./lookup.ts";
import { NameBudget } from "./name_budget.ts";
import { MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_SYSTEM_PATH_BYTES } from "../../core/remote_path.ts";
import { changed, PinnedDirectory } from "./pinned_directory.ts";
import { SortedNames } from "./sorted_names.ts";
import type { Entry } from "../../core/metadata.ts";

/** What to list, and how. */
export interface ListTreeOptions {
  readonly directory: PinnedDirectory;
  /** The path of it as a client writes it. */
  readonly path: string;
  readonly recursive: boolean;
  /** Gives what a link leads to, or undefined when it does not exist for clients. */
  readonly followLink: (link: string) => Deno.FileInfo | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A directory that is being listed. */
interface Level {
  readonly directory: PinnedDirectory;
  /** What the paths of its entries begin with. */
  readonly prefix: string;
  readonly names: SortedNames;
  /** What is said of it before what is in it; nothing of the one at the top. */
  entry: Entry | undefined;
}

/**
 * Lists a real directory, and with `recursive` those in it, sorted by `listingKey`. Links to directories are listed and
 * not entered. A directory of which not everything can be listed is `unreadable`, so that nobody takes the listing for
 * complete. What becomes something of another kind meanwhile is left out, as what is made or removed meanwhile may be.
 *
 * Entries are looked at in synchronous steps, which check the directory that they stand in.
 *
 * @throws {FerryError} `Changed` when a directory is moved or replaced before all in it was listed.
 */
export function listTree(options: ListTreeOptions): AsyncGenerator<Entry> {
  return new Listing(options).run();
}

class Listing {
  readonly #options: ListTreeOptions;
  readonly #budget = new NameBudget();
  readonly #levels: Level[] = [];
  /** What was found and is not given out yet. */
  #found: Entry[] = [];

  constructor(options: ListTreeOptions) {
    this.#options = options;
  }

  async *run(): AsyncGenerator<Entry> {
    const { directory, recursive } = this.#options;
    if (recursive) await takeTurn();
    try {
      const top = this.#enter(directory, directory.check(), undefined);
      while (this.#levels.length > 0) {
        const isFull = this.#step();
        const found = this.#found;
        this.#found = [];
        yield* found;
        if (isFull) await takeTurn();
        else await this.#prepare();
      }
      if (top.names.isIncomplete) throw new FerryError("InvalidPath", "something in it has a path that is too long");
    } finally {
      for (const { names } of this.#levels) names.drop();
    }
  }

  /** One synchronous step. @returns Whether it has ended only since it has done enough. */
  #step(): boolean {
    this.#levels.at(-1)?.directory.check();
    const began = performance.now();
    for (let seen = 0; seen < ENTRIES_PER_STEP && performance.now() - began < MAX_STEP_MS; seen++) {
      const level = this.#levels.at(-1);
      if (!level) return false;
      const name = level.names.take();
      if (name !== undefined) this.#look(level, name);
      else if (!level.names.isEnded) return false;
      else this.#leave(level);
    }
    return true;
  }

  /** @param key A name, as it was sorted: a directory's has a `/` at its end. */
  #look({ directory, prefix }: Level, key: string): void {
    const wasDirectory = key.endsWith("/");
    const name = wasDirectory ? key.slice(0, -1) : key;
    const real = join(directory.path, name);
    const own = this.#lookAt(real);
    if (!own) return;
    const entry = entryOf(prefix + name, own, own.isSymlink ? this.#options.followLink(real) : own);
    // It would be in the wrong place.
    if ((entry.kind === "directory") !== wasDirectory) return;
    if (this.#options.recursive && own.isDirectory) this.#enter(new PinnedDirectory(real, own), own, entry);
    else this.#found.push(entry);
  }

  /** What is there, a link not followed; undefined for what went away while we listed, or may not be looked at. */
  #lookAt(real: string): Deno.FileInfo | undefined {
    try {
      return lstatOrNothing(real);
    } catch (error) {
      if (["NotFound", "NotADirectory", "Refused", "InvalidPath"].includes(toFerryError(error).code)) return undefined;
      throw error;
    }
  }

  /** Goes on with what is in a directory. */
  #enter(directory: PinnedDirectory, info: Deno.FileInfo, entry: Entry | undefined): Level {
    const level: Level = {
      directory,
      prefix: entry ? `${entry.path}/` : "",
      names: new SortedNames(directory, {
        budget: this.#budget,
        maxNameBytes: this.#roomIn(directory, entry),
        leadsToDirectory: (name) => this.#options.followLink(join(directory.path, name))?.isDirectory === true,
        spare: () => this.#levels.some((other) => other !== level && other.names.drop()),
        signal: this.#options.signal,
      }),
      entry,
    };
    const above = this.#levels.at(-1);
    this.#levels.push(level);
    try {
      // A large one is read between two steps.
      if (!isSmall(info) || !level.names.readAtOnce()) return level;
      // Whether it was this directory that was read, and all above it were the same.
      if (above) above.directory.checkSame();
      else directory.check();
      directory.checkInside();
      this.#say(level);
    } catch (error) {
      this.#giveUp(level, error);
    }
    return level;
  }

  /** Reads names, between two steps. */
  async #prepare(): Promise<void> {
    const level = this.#levels.at(-1);
    if (!level) return;
    try {
      await level.names.prepare();
      this.#say(level);
    } catch (error) {
      this.#giveUp(level, error);
    }
  }

  /** Says of a directory what is to be said when it was read. */
  #say(level: Level): void {
    const { entry, names } = level;
    if (entry) this.#found.push(names.isIncomplete ? { ...entry, unreadable: true } : entry);
    level.entry = undefined;
  }

  /** Goes on without a directory that we may not list. */
  #giveUp(level: Level, error: unknown): void {
    const { code } = toFerryError(error);
    // It was there when it was looked at.
    if (code === "NotFound" || code === "NotADirectory") throw changed();
    if (!level.entry || code !== "Refused") throw error;
    this.#found.push({ ...level.entry, unreadable: true });
    this.#leave(level);
  }

  #leave(level: Level): void {
    level.names.drop();
    this.#levels.pop();
    this.#levels.at(-1)?.directory.checkSame();
  }

  /** The most bytes that a name in a directory may have without its path being too long to be opened. */
  #roomIn(directory: PinnedDirectory, entry: Entry | undefined): number {
    const path = [this.#options.path, entry?.path].filter(Boolean).join("/");
    const room = Math.min(
      MAX_SYSTEM_PATH_BYTES - Buffer.byteLength(directory.path),
      MAX_PATH_BYTES - Buffer.byteLength(path),
    ) - "/".length;
    return room < MAX_NAME_BYTES ? room : Infinity;
  }
}
