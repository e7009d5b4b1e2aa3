import { hash } from "node:crypto";
import { dirname, join } from "@std/path";
import { FerryError } from "../../core/errors.ts";
import { versionOf } from "./system_metadata.ts";
import { isSameFile, lstatOrNothing, realPathOrNothing } from "./lookup.ts";
import { RESERVED_PREFIX } from "../../core/remote_path.ts";
import { settled } from "./settle.ts";

/** The permission bits of a file that are kept when it is replaced. */
export const PERMISSION_BITS = 0o777;

/** How often to try again when the partial file is replaced under our hands before we give up. */
const MAX_TRIES = 10;

/** What the names of partial files look like. */
export const TEMPORARY_NAME = /^\.ferry-[0-9a-f]{16}\.part$/;

/**
 * The name of an owner's partial file for `name`: it fits into any directory that `name` fits into, is the same every
 * time so that an interrupted upload can be found again, and says nothing. Nobody else's file has it.
 *
 * @param owner See `UploadOptions.owner`.
 */
export function temporaryName(name: string, owner = ""): string {
  return `${RESERVED_PREFIX}${hash("sha256", `${owner.length} ${owner}${name}`, "hex").slice(0, 16)}.part`;
}

const BUSY = "it is being written by someone else; try again later";

const ACCESS = { read: true, write: true };

interface Opened {
  readonly file: Deno.FsFile;
  readonly isNew: boolean;
}

/** Opens the file that is there, if there is one, without ever following a link or opening anything else. */
function openThere(path: string): Opened | undefined {
  const info = lstatOrNothing(path);
  if (!info) return undefined;
  if (!info.isFile) throw new FerryError("Refused", "something that is not a file is in the way of the upload");
  try {
    return { file: Deno.openSync(path, ACCESS), isNew: false };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Makes the file, or opens the one that is there. */
function openOrMake(path: string, mode: number | undefined): Opened | undefined {
  try {
    const file = Deno.openSync(path, { ...ACCESS, createNew: true, ...(mode === undefined ? {} : { mode }) });
    return { file, isNew: true };
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  return openThere(path);
}

/**
 * Does something with a partial file that nobody is writing, here or in another process, and while nobody can begin to.
 *
 * @returns Whether somebody is writing it.
 */
export function unlessHeld(path: string, act: () => void): boolean {
  const info = lstatOrNothing(path);
  if (!info?.isFile) return false;
  using file = Deno.openSync(path, ACCESS);
  if (!isSameFile(info, file.statSync())) return false;
  if (!file.tryLockSync(true)) return true;
  act();
  return false;
}

/** Removes a partial file that is still what it was, and that nobody is writing. Whatever goes wrong, it stays. */
export function removeLeft(path: string, left: Deno.FileInfo): void {
  try {
    // Someone may have put a link in the directory's place.
    if (realPathOrNothing(dirname(path)) !== dirname(path)) return;
    const named = lstatOrNothing(path);
    if (named && isSameFile(named, left)) unlessHeld(path, () => Deno.removeSync(path));
  } catch {
    // The sweep tries again.
  }
}

/** A partial file that this process alone may write. */
export class TemporaryFile {
  readonly file: Deno.FsFile;
  readonly path: string;
  /** What it was when it was opened. */
  #own: Deno.FileInfo;

  private constructor(file: Deno.FsFile, path: string) {
    this.file = file;
    this.path = path;
    this.#own = file.statSync();
  }

  /** How many bytes it had when it was opened. */
  get size(): number {
    return this.#own.size;
  }

  /** Names what was in it when it was opened, and says nothing else of it; see `settle`. */
  get state(): string {
    return hash("sha256", versionOf(this.#own), "hex");
  }

  /** Waits until `state` is one that it cannot have again when its content changes. */
  async settle(): Promise<void> {
    this.#own = await settled(this.#own, () => this.file.statSync());
  }

  /**
   * Opens or creates an owner's partial file for `name` in `directory`, and locks it against every other writer, also
   * one in another process. The lock ends when the file is closed, or with the process.
   *
   * @param directory A real path.
   * @param mode The permission bits that the file shall have, where they must not be the usual ones.
   * @throws {FerryError} `Busy` when another writer holds it; `NotFound` when the directory is gone.
   */
  static open(directory: string, name: string, { owner, mode }: { owner?: string; mode?: number } = {}): TemporaryFile {
    const path = join(directory, temporaryName(name, owner));
    for (let i = 0; i < MAX_TRIES; i++) {
      const opened = openOrMake(path, mode);
      const partial = opened && TemporaryFile.#lock(directory, path, opened, mode);
      if (partial) return partial;
    }
    throw new FerryError("Busy", BUSY);
  }

  /** The same for one that is there already; undefined when there is none. */
  static openKept(directory: string, name: string, owner?: string): TemporaryFile | undefined {
    const path = join(directory, temporaryName(name, owner));
    for (let i = 0; i < MAX_TRIES; i++) {
      const opened = openThere(path);
      const partial = opened && TemporaryFile.#lock(directory, path, opened);
      if (!opened || partial) return partial;
    }
    throw new FerryError("Busy", BUSY);
  }

  /** Takes the lock; gives undefined when the file was replaced meanwhile. */
  static #lock(directory: string, path: string, { file, isNew }: Opened, mode?: number): TemporaryFile | undefined {
    try {
      if (!file.tryLockSync(true)) throw new FerryError("Busy", BUSY);
      const partial = new TemporaryFile(file, path);
      // Someone may have put a link in the directory's place since it was looked at.
      const isHere = realPathOrNothing(directory) === directory;
      // The last holder may have renamed or removed the file between our open and our lock.
      const isInPlace = partial.inPlace() !== undefined;
      if (isHere && isInPlace) {
        if (mode !== undefined) partial.#giveMode(mode);
        return partial;
      }
      if (isNew && isInPlace) Deno.removeSync(path);
      if (!isHere) throw new FerryError("NotFound", "no such file or directory");
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    return undefined;
  }

  /** Another handle on the same file. @throws {FerryError} `Changed` when the path leads elsewhere by now. */
  reopen(): Deno.FsFile {
    const file = Deno.openSync(this.path, { read: true, write: true });
    if (isSameFile(file.statSync(), this.#own)) return file;
    file.close();
    throw new FerryError("Changed", "the partial file was replaced by others");
  }

  /** What the file is now, if the path still leads to it, and not to one that somebody has put in its place. */
  inPlace(): Deno.FileInfo | undefined {
    const named = lstatOrNothing(this.path);
    return named?.isFile && isSameFile(named, this.#own) ? named : undefined;
  }

  /** By path, so only when it must be: what the umask took away, or what an earlier upload has set. */
  #giveMode(mode: number): void {
    const differs = ((this.#own.mode ?? mode) & PERMISSION_BITS) !== mode;
    if (differs && Deno.build.os !== "windows") Deno.chmodSync(this.path, mode);
  }
}
