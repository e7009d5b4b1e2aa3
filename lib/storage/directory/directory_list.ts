import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { takeTurn } from "../../transport/scheduler.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { ENTRIES_PER_STEP, isLossy, isSmall, MAX_STEP_MS } from "./entries.ts";
import { entryOf, notServed } from "./system_metadata.ts";
import { type Found, lstatOrNothing } from "./lookup.ts";
import { NameBudget } from "./name_budget.ts";
import { MAX_NAME_BYTES, MAX_SYSTEM_PATH_BYTES } from "../../core/remote_path.ts";
import { changed, PinnedDirectory } from "./pinned_directory.ts";
import { SortedNames } from "./sorted_names.ts";
import { quote } from "../../core/text.ts";
import type { Entry } from "../../core/metadata.ts";
import { isAtOrBelow } from "./watch.ts";

/**
 * So many links to directories are entered in one listing; the directories behind the others are said to be left out. Links
 * that lead to directories with more links would otherwise make an endless listing of a few directories.
 */
const MAX_LINKS_ENTERED = 10_000;

const TOO_MANY_LINKS = `it is a link, and ${MAX_LINKS_ENTERED} links to directories were followed already`;

const CIRCLE = "it leads back to a directory above it";

/** What to list, and how. */
export interface ListTreeOptions {
  readonly directory: PinnedDirectory;
  /** The path by which it is opened for clients; there may be links on the way. */
  readonly path: string;
  readonly recursive: boolean;
  /** Gives what a link leads to, or undefined when it does not exist for clients. */
  readonly followLink: (link: string) => Found | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A directory that is being listed. */
interface Level {
  readonly directory: PinnedDirectory;
  /** What the paths of its entries begin with. */
  readonly prefix: string;
  readonly names: SortedNames;
  /** Whether a link leads here, so that the directory is not in the one above. */
  readonly isLinked: boolean;
  /** What is said of it before what is in it; nothing of the one at the top. */
  entry: Entry | undefined;
  /** Whether it was said of it that something is missing. */
  isSaid: boolean;
  /** The name that was listed last. */
  last: string | undefined;
}

/** What has a name in a directory. */
interface Look {
  /** What is there, a link not followed. */
  readonly own: Deno.FileInfo;
  /** Where a link leads, if that is served. */
  readonly target: Found | undefined;
  /** Whether entering that directory would never end. */
  readonly isCircle: boolean;
}

/**
 * Lists a real directory, and with `recursive` those in it, sorted by `listingKey`. Links to directories are entered, each
 * as often as it is come upon, but not into a directory that holds one on the way down. A directory of which not everything
 * can be listed is `unreadable`, so that nobody takes the listing for complete. What becomes something of another kind
 * meanwhile is left out, as what is made or removed meanwhile may be.
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
  #linksEntered = 0;
  /** What is left out without an entry that says so. */
  #unsaid: string | undefined;

  constructor(options: ListTreeOptions) {
    this.#options = options;
  }

  async *run(): AsyncGenerator<Entry> {
    const { directory, recursive } = this.#options;
    if (recursive) await takeTurn();
    try {
      this.#enter(directory, directory.check(), undefined);
      while (this.#levels.length > 0) {
        const isFull = this.#step();
        const found = this.#found;
        this.#found = [];
        yield* found;
        if (isFull) await takeTurn();
        else await this.#prepare();
      }
      if (this.#unsaid !== undefined) throw new FerryError("InvalidPath", this.#unsaid);
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
      if (name !== undefined) this.#list(level, name);
      else if (!level.names.isEnded) return false;
      else this.#leave(level);
    }
    return true;
  }

  /** @param key A name, as it was sorted: a directory's has a `/` at its end. */
  #list(level: Level, key: string): void {
    const { directory, prefix } = level;
    const wasDirectory = key.endsWith("/");
    const name = wasDirectory ? key.slice(0, -1) : key;
    const path = prefix + name;
    const real = join(directory.path, name);
    const isSecond = key === level.last;
    level.last = key;
    if (isSecond && isLossy(name)) this.#unsaid ??= `several names that are not UTF-8 look like ${quote(path)}`;
    if (isSecond) return;
    const look = this.#look(real);
    if (!look && isLossy(name)) this.#found.push(notServed(path, 0, "its name is not UTF-8"));
    if (!look) return;
    const { own, target, isCircle } = look;
    const entry = entryOf(path, own, own.isSymlink ? target?.info : own, isCircle ? CIRCLE : undefined);
    // It would be in the wrong place.
    if ((entry.kind === "directory") !== wasDirectory) return;
    if (!this.#options.recursive || entry.kind !== "directory") return void this.#found.push(entry);
    if (!target) return void this.#enter(new PinnedDirectory(real, own), own, entry);
    if (++this.#linksEntered > MAX_LINKS_ENTERED) {
      return void this.#found.push({ ...entry, unreadable: true, reason: TOO_MANY_LINKS });
    }
    this.#enter(new PinnedDirectory(join(target.directory, target.name), target.info), target.info, entry, true);
  }

  /** Gives undefined for what went away while we listed, or may not be looked at. */
  #look(real: string): Look | undefined {
    const own = this.#lookAt(real);
    if (!own) return undefined;
    const target = own.isSymlink ? this.#options.followLink(real) : undefined;
    return { own, target, isCircle: target !== undefined && this.#isCircle(target) };
  }

  /** Whether it is a directory for clients, which decides about its place in the order. */
  #isDirectory(real: string): boolean {
    const look = this.#look(real);
    return look !== undefined && !look.isCircle && (look.target?.info ?? look.own).isDirectory;
  }

  /** Whether a directory is on the way down, or holds one that is. */
  #isCircle({ directory, name, info }: Found): boolean {
    if (!info.isDirectory || !this.#options.recursive) return false;
    const target = join(directory, name);
    return this.#levels.some((level) => isAtOrBelow(level.directory.path, target));
  }

  #lookAt(real: string): Deno.FileInfo | undefined {
    try {
      return lstatOrNothing(real);
    } catch (error) {
      if (["NotFound", "NotADirectory", "Refused", "InvalidPath"].includes(toFerryError(error).code)) return undefined;
      throw error;
    }
  }

  /** Goes on with what is in a directory. */
  #enter(directory: PinnedDirectory, info: Deno.FileInfo, entry: Entry | undefined, isLinked = false): void {
    const level: Level = {
      directory,
      prefix: entry ? `${entry.path}/` : "",
      names: new SortedNames(directory, {
        budget: this.#budget,
        maxNameBytes: this.#roomIn(directory, entry),
        saysReserved: this.#options.recursive,
        isDirectory: (name) => this.#isDirectory(join(directory.path, name)),
        spare: () => this.#levels.some((other) => other !== level && other.names.drop()),
        signal: this.#options.signal,
      }),
      isLinked,
      entry,
      isSaid: false,
      last: undefined,
    };
    const above = this.#levels.at(-1);
    this.#levels.push(level);
    try {
      // A large one is read between two steps.
      if (!isSmall(info) || !level.names.readAtOnce()) return;
      // Whether it was this directory that was read, and all above it were the same.
      if (above && !isLinked) above.directory.checkSame();
      else directory.check();
      directory.checkInside();
      this.#say(level);
    } catch (error) {
      this.#giveUp(level, error);
    }
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
    if (!entry) return;
    this.#found.push(names.missing === undefined ? entry : { ...entry, unreadable: true, reason: names.missing });
    level.entry = undefined;
    level.isSaid = names.missing !== undefined;
  }

  /** Goes on without a directory that we may not list. */
  #giveUp(level: Level, error: unknown): void {
    const { code, message } = toFerryError(error);
    // It was there when it was looked at.
    if (code === "NotFound" || code === "NotADirectory") throw changed();
    if (!level.entry || code !== "Refused") throw error;
    this.#found.push({ ...level.entry, unreadable: true, reason: message });
    level.isSaid = true;
    this.#leave(level);
  }

  #leave(level: Level): void {
    level.names.drop();
    this.#levels.pop();
    if (!level.isSaid) this.#unsaid ??= level.names.missing;
    const above = this.#levels.at(-1);
    if (level.isLinked) above?.directory.check();
    else above?.directory.checkSame();
  }

  /** The most bytes that a name in a directory may have without its path being too long to be opened. */
  #roomIn(directory: PinnedDirectory, entry: Entry | undefined): number {
    const path = join(this.#options.path, entry?.path ?? "");
    const longer = Math.max(Buffer.byteLength(directory.path), Buffer.byteLength(path));
    const room = MAX_SYSTEM_PATH_BYTES - longer - "/".length;
    return room < MAX_NAME_BYTES ? room : Infinity;
  }
}
