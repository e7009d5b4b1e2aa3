import { takeTurn } from "../../transport/scheduler.ts";
import { FerryError } from "../../core/errors.ts";
import { isLossy, isSmall, REPLACEMENT } from "./entries.ts";
import { costOf, type NameBudget } from "./name_budget.ts";
import { compareUtf8, sortUtf8 } from "../../core/listing_order.ts";
import { isLeftover } from "./leftovers.ts";
import { isLonger, isReserved, MAX_NAME_BYTES, RESERVED_PREFIX } from "../../core/remote_path.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import type { PinnedDirectory } from "./pinned_directory.ts";
import { Watch } from "./watch.ts";

/** So many names are sorted at once; enough for the first frame of a listing. */
const NAMES_AT_ONCE = 2048;

/** After reading this many names, others get their turn. */
const NAMES_PER_TURN = 1024;

/** After comparing this many names, others get their turn. */
const COMPARED_PER_TURN = 8 * NAMES_PER_TURN;

/** Following a link takes as long as reading this many names. */
const NAMES_PER_LINK = 16;

/** A directory with more links to follow than this is not read at once. */
const MAX_LINKS_AT_ONCE = 64;

/** The median of this many sampled names divides the others. */
const SAMPLE_SIZE = 9;

/** How often a directory is opened again that was moved while it was opened. */
const MAX_OPENINGS = 3;

/** Fewer names than this are not worth reading a directory for. */
const MIN_WINDOW = 256;

/** Of a directory with more names that may not be UTF-8, only this many are compared with each other. */
const MAX_LOSSY_NAMES = 4096;

/** What a directory's names are read with. */
export interface NameOptions {
  readonly budget: NameBudget;
  /** Longer names are left out: their paths would be too long to be opened. */
  readonly maxNameBytes: number;
  /** Whether something is missing when a name is reserved that is not of what uploads and removals leave. */
  readonly saysReserved: boolean;
  /** Whether a link, or what may not really have this name, is a directory for clients. */
  readonly isDirectory: (name: string) => boolean;
  /** Asks for memory, which others of the same listing may be able to spare; gives false when there is none. */
  readonly spare: () => boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * The names of what is in a directory, a directory's with a `/` at its end, in the order of listings, Ferry's own left
 * out. All of them are held, sorted piece by piece so that the first of very many need not wait for all, or, where there
 * is no memory for them, only the next ones; then the directory is read again for those that follow.
 */
export class SortedNames {
  /** Why a name was left out, if one was. */
  missing: string | undefined;
  readonly #directory: PinnedDirectory;
  readonly #options: NameOptions;
  /** What comes next, the last of them first. */
  #next: string[] = [];
  /** What comes after that: pieces not sorted in themselves, the last of them first. */
  #pieces: string[][] = [];
  /** What is being read: all names, or, where there is no memory for them, those that come first. */
  #reading: string[] = [];
  /** The first name that was left out of that. */
  #bound: string | undefined;
  /** The names among them that may not be UTF-8. */
  readonly #lossy = new Set<string>();
  /** The bytes that are counted for all that is held. */
  #cost = 0;
  /** The name that was given out last. */
  #last: string | undefined;
  /** Whether there are names in the directory that are not held. */
  #hasMore = true;

  constructor(directory: PinnedDirectory, options: NameOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** Whether all names were given out. */
  get isEnded(): boolean {
    return this.#next.length === 0 && this.#pieces.length === 0 && !this.#hasMore;
  }

  /** The next name; when there is none, it has ended, or `prepare` is to be called. */
  take(): string | undefined {
    const name = this.#next.pop();
    if (name !== undefined) this.#last = name;
    return name;
  }

  /**
   * Reads a small directory at once, in a step that checks it before and after. Gives false, and leaves it to `prepare`,
   * when too many links have to be followed for that.
   */
  readAtOnce(): boolean {
    const entries = [...Deno.readDirSync(this.#directory.path)];
    if (entries.filter(({ isSymlink }) => isSymlink).length > MAX_LINKS_AT_ONCE) return false;
    this.drop();
    for (const entry of entries) this.#add(entry);
    this.#endReading();
    if (this.#pieces[0] && this.#pieces[0].length <= NAMES_AT_ONCE) this.#sort(this.#pieces.pop() ?? []);
    return true;
  }

  /** Makes sure that `take` has a name, if there is one. */
  async prepare(): Promise<void> {
    while (this.#next.length === 0 && !this.isEnded) {
      const piece = this.#pieces.pop();
      if (!piece) await this.#read();
      else if (piece.length <= NAMES_AT_ONCE) this.#sort(piece);
      else await this.#divide(piece);
    }
  }

  /** Drops all names; those not given out are read again when needed. Gives false if there were none. */
  drop(): boolean {
    if (this.#next.length > 0 || this.#pieces.length > 0) this.#hasMore = true;
    this.#next = [];
    this.#pieces = [];
    this.#reading = [];
    this.#bound = undefined;
    this.#lossy.clear();
    this.#options.budget.give(this.#cost);
    const hasHeld = this.#cost > 0;
    this.#cost = 0;
    return hasHeld;
  }

  async #read(): Promise<void> {
    if (isSmall(this.#directory.check()) && this.readAtOnce()) {
      this.#directory.check();
      return;
    }
    for (let i = 0; i < MAX_OPENINGS; i++) {
      this.drop();
      if (!await this.#readLarge()) continue;
      this.#directory.check();
      this.#directory.checkInside();
      return this.#endReading();
    }
    throw new FerryError("Changed", "the directory was moved meanwhile; try again");
  }

  /** Reads a large directory. Gives false when it was moved, so that perhaps another was opened in its place. */
  async #readLarge(): Promise<boolean> {
    using watch = new Watch(this.#directory.path);
    this.#directory.check();
    let isOpen = false;
    let work = 0;
    try {
      for await (const entry of Deno.readDir(this.#directory.path)) {
        // From the first name on it is open, and stays the same wherever it is moved.
        if (!isOpen && watch.hasMoved) return false;
        isOpen = true;
        this.#add(entry);
        work += entry.isSymlink ? NAMES_PER_LINK : 1;
        if (work < NAMES_PER_TURN) continue;
        work = 0;
        await takeTurn();
        throwIfAborted(this.#options.signal);
      }
    } catch (error) {
      // What could not be read was perhaps another one, of which nothing may be told.
      if (!isOpen && watch.hasMoved) return false;
      throw error;
    }
    return isOpen || !watch.hasMoved;
  }

  #endReading(): void {
    if (this.#reading.length > 0) this.#pieces = [this.#reading];
    this.#reading = [];
    this.#lossy.clear();
    this.#hasMore = this.#bound !== undefined;
  }

  #add(entry: Deno.DirEntry): void {
    const name = this.#distinct(entry.name);
    if (isReserved(name)) {
      if (this.#options.saysReserved && !isLeftover(name)) {
        this.missing = `something in it has a name that begins with "${RESERVED_PREFIX}", which is reserved`;
      }
      return;
    }
    const key = this.#isDirectory(name, entry) ? `${name}/` : name;
    if (this.#isPast(key) || this.#isBeyond(key)) return;
    const { maxNameBytes } = this.#options;
    // Deno gives more bytes than there are for what is not UTF-8.
    if (isLonger(name, isLossy(name) ? Math.min(maxNameBytes, MAX_NAME_BYTES) : maxNameBytes)) {
      this.missing = "something in it has a path that is too long";
      return;
    }
    const cost = costOf(key);
    while (!this.#options.budget.take(cost)) {
      if (this.#reading.length >= MIN_WINDOW || !this.#options.spare()) this.#halve();
      if (this.#isBeyond(key)) return;
    }
    this.#reading.push(key);
    this.#cost += cost;
  }

  /** Gives what looks like something else in the directory a name of its own. Nothing is opened by either name. */
  #distinct(name: string): string {
    if (!isLossy(name) || this.#lossy.size === MAX_LOSSY_NAMES) return name;
    let distinct = name;
    while (this.#lossy.has(distinct)) distinct += REPLACEMENT;
    this.#lossy.add(distinct);
    return distinct;
  }

  /** Whether it is one for clients; a link is followed only when it is wanted if it leads to one or if it does not. */
  #isDirectory(name: string, { isDirectory, isSymlink }: Deno.DirEntry): boolean {
    if (!isSymlink && !isLossy(name)) return isDirectory;
    return !this.#isPast(`${name}/`) && !this.#isBeyond(name) && this.#options.isDirectory(name);
  }

  #isPast(key: string): boolean {
    return this.#last !== undefined && compareUtf8(key, this.#last) <= 0;
  }

  #isBeyond(key: string): boolean {
    return this.#bound !== undefined && compareUtf8(key, this.#bound) >= 0;
  }

  /** Keeps the half of the names being read that comes first. */
  #halve(): void {
    const others = sortUtf8(this.#reading).splice(this.#reading.length >> 1);
    this.#bound = others[0];
    const cost = others.reduce((sum, name) => sum + costOf(name), 0);
    this.#options.budget.give(cost);
    this.#cost -= cost;
  }

  #sort(piece: string[]): void {
    this.#next = sortUtf8(piece).reverse();
  }

  /** Divides a piece in two, the names of one before those of the other. */
  async #divide(piece: string[]): Promise<void> {
    const middle = middleOf(piece);
    const [lower, upper]: [string[], string[]] = [[], []];
    for (let done = 0; done < piece.length; done += COMPARED_PER_TURN) {
      for (const name of piece.slice(done, done + COMPARED_PER_TURN)) {
        (compareUtf8(name, middle) < 0 ? lower : upper).push(name);
      }
      await takeTurn();
    }
    if (lower.length === 0) this.#sort(upper);
    else this.#pieces.push(upper, lower);
  }
}

/** A name that about half of the others come before. */
function middleOf(names: string[]): string {
  const step = names.length / SAMPLE_SIZE;
  const sample = Array.from({ length: SAMPLE_SIZE }, (_, i) => names[Math.floor((i + Math.random()) * step)] ?? "");
  return sortUtf8(sample)[SAMPLE_SIZE >> 1] ?? "";
}
