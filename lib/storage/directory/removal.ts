import { randomBytes } from "node:crypto";
import { dirname, join } from "@std/path";
import { takeTurn } from "../../transport/scheduler.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { ENTRIES_PER_STEP, isLossy, isSmall, MAX_STEP_MS, readLarge } from "./entries.ts";
import { lstatOrNothing } from "./lookup.ts";
import { isLonger, MAX_NAME_BYTES, MAX_SYSTEM_PATH_BYTES, RESERVED_PREFIX } from "../../core/remote_path.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { moved } from "./watch.ts";

/** So many entries are held at once, of all directories on the way down together, */
const MAX_HELD = 4096;

/** but at least so many of each. */
const MIN_HELD = 64;

/** So deep directories are entered; what is deeper is moved up first. */
const MAX_LEVELS = 128;

/** What a directory is called that holds what was too deep to be removed in its place. */
export const ASIDE_NAME = /^\.ferry-[0-9a-f]{16}\.removed$/;

/** The most bytes that are added to the path of a directory by `ASIDE_NAME`, a number, and the name of what is in that. */
const ROOM_ASIDE = "/.ferry-0123456789abcdef.removed/0123456789/".length + MAX_NAME_BYTES;

/** A directory whose entries are being removed. */
interface Level {
  readonly directory: PinnedDirectory;
  /** What was found in it and is not removed yet; undefined when it has to be read. */
  entries: Deno.DirEntry[] | undefined;
  readonly isSmall: boolean;
  /** Whether something in it has been removed since it was read. */
  progressed: boolean;
}

/**
 * Removes a directory with all that is in it, in many small steps. Each step checks the directory that it stands in, and
 * links are removed, not entered; so whatever is moved meanwhile, nothing else is removed.
 */
export class Removal {
  readonly #root: string;
  readonly #top: string;
  readonly #levels: Level[] = [];
  /** Where directories are moved that are too deep, near the top; made when it is needed. */
  #aside: PinnedDirectory | undefined;
  #movedAside = 0;

  /** @param root The real path of the served directory. @param top That of the directory to remove. */
  constructor(root: string, top: string) {
    this.#root = root;
    this.#top = top;
  }

  /**
   * @param info What the directory is in this synchronous step.
   * @throws {FerryError} `Changed` when a directory that is being emptied is moved; `NotEmpty` when others keep adding.
   */
  async run(info: Deno.FileInfo, signal: AbortSignal | undefined): Promise<void> {
    this.#enter(this.#top, info);
    for (let level = this.#next(); level; level = this.#next()) {
      if (level.entries || level.isSmall) this.#step();
      else level.entries = await readSome(level.directory.path, this.#room());
      if (!this.#next()) return;
      await takeTurn();
      throwIfAborted(signal);
    }
  }

  /** Where to go on: in the deepest directory, and in the end with what was moved aside. */
  #next(): Level | undefined {
    if (this.#levels.length === 0 && this.#aside) this.#push(this.#aside, this.#aside.check());
    return this.#levels.at(-1);
  }

  #push(directory: PinnedDirectory, info: Deno.FileInfo): void {
    this.#levels.push({ directory, entries: undefined, isSmall: isSmall(info), progressed: false });
  }

  /** How many entries may be read now. */
  #room(): number {
    const held = this.#levels.reduce((sum, { entries }) => sum + (entries?.length ?? 0), 0);
    return Math.max(MIN_HELD, MAX_HELD - held);
  }

  /** One synchronous step. */
  #step(): void {
    this.#levels.at(-1)?.directory.check();
    const began = performance.now();
    for (let done = 0; done < ENTRIES_PER_STEP && performance.now() - began < MAX_STEP_MS; done++) {
      const level = this.#levels.at(-1);
      if (!level || !level.entries && !level.isSmall) return;
      level.entries ??= [...Deno.readDirSync(level.directory.path)].slice(0, this.#room());
      const entry = level.entries.pop();
      if (entry) this.#remove(level, entry);
      else this.#leave(level);
    }
  }

  #remove(level: Level, { name, isDirectory }: Deno.DirEntry): void {
    const path = join(level.directory.path, name);
    const info = isDirectory ? lstatOrNothing(path) : undefined;
    if (info?.isDirectory) return this.#enter(path, info);
    if (isDirectory && !info) return;
    level.progressed = this.#removeOne(path) || level.progressed;
  }

  /** Removes a file, a link or an empty directory; gives false when it was not empty after all, or is not there. */
  #removeOne(path: string): boolean {
    try {
      Deno.removeSync(path);
    } catch (error) {
      const { code } = toFerryError(error);
      if (code === "NotEmpty" || code === "NotFound") return false;
      throw error;
    }
    moved(path);
    return true;
  }

  /** Goes on with what is in a directory, where it is or, when it is too deep, at another place. */
  #enter(path: string, info: Deno.FileInfo): void {
    const isTooDeep = this.#levels.length >= MAX_LEVELS ||
      isLonger(path, MAX_SYSTEM_PATH_BYTES - 1 - MAX_NAME_BYTES);
    if (isTooDeep) return this.#moveAside(path);
    this.#push(new PinnedDirectory(path, info), info);
  }

  /** Removes a directory when nothing is left in it, or has it read once more. */
  #leave(level: Level): void {
    const { path } = level.directory;
    if (this.#removeOne(path)) {
      this.#levels.pop();
      this.#progress();
      if (this.#aside?.path === path) this.#aside = undefined;
    } else if (level.progressed) {
      level.entries = undefined;
      level.progressed = false;
    } else {
      throw new FerryError("NotEmpty", level.isSmall ? whyNotEmpty(path) : "the directory is not empty");
    }
  }

  #moveAside(path: string): void {
    this.#aside ??= this.#makeAside();
    this.#aside.check();
    const place = join(this.#aside.path, String(++this.#movedAside));
    Deno.renameSync(path, place);
    moved(path);
    this.#progress();
  }

  /** Something is gone from the deepest directory, where the step goes on. */
  #progress(): void {
    const level = this.#levels.at(-1);
    if (!level) return;
    level.directory.checkSame();
    level.progressed = true;
  }

  /** Makes a hidden directory, in the top or as near to it as what is moved there can be opened. */
  #makeAside(): PinnedDirectory {
    let home = this.#top;
    while (isLonger(home, MAX_SYSTEM_PATH_BYTES - ROOM_ASIDE)) {
      if (home === this.#root) throw new FerryError("InvalidPath", "what is in it has paths that are too long");
      home = dirname(home);
    }
    const path = join(home, `${RESERVED_PREFIX}${randomBytes(8).toString("hex")}.removed`);
    // Nobody may see here what could not be seen where it was.
    Deno.mkdirSync(path, { mode: 0o700 });
    return new PinnedDirectory(path, Deno.lstatSync(path));
  }
}

/** Why something is left in a directory although all that was found there was removed. */
function whyNotEmpty(path: string): string {
  for (const { name } of Deno.readDirSync(path)) {
    if (isLossy(name) && !lstatOrNothing(join(path, name))) {
      return "something in it has a name that is not UTF-8, and can only be removed where the server runs";
    }
  }
  return "the directory is not empty";
}

/** Some of what is in a large directory. Meanwhile it may be moved: what is read are names, and no more. */
async function readSome(path: string, atMost: number): Promise<Deno.DirEntry[]> {
  const entries: Deno.DirEntry[] = [];
  for await (const entry of readLarge(path)) {
    entries.push(entry);
    if (entries.length >= atMost) break;
  }
  return entries;
}
