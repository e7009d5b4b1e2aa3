import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join } from "@std/path";
import { FerryError } from "../../core/errors.ts";
import { narrowed, PERMISSION_BITS, versionOf } from "./system_metadata.ts";
import { isSameFile, lstatOrNothing, realPathOrNothing, settled } from "./lookup.ts";
import { RESERVED_PREFIX } from "../../core/remote_path.ts";

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

/** What the owner may do with the file while it is written; otherwise it could not be opened again. */
const OWNER_BITS = 0o600;

/** Which permission bits the file shall have in the end, the usual ones if absent; and whether less those of the umask. */
export interface OpenPermissions {
  readonly mode?: number;
  readonly isMasked?: boolean;
}

/** What `blocks` counts (POSIX, `sys/stat.h`). */
const SYSTEM_BLOCK_BYTES = 512;

/** Opens the file that is there, if there is one, without ever following a link or opening anything else. */
function openThere(path: string): Deno.FsFile | undefined {
  const info = lstatOrNothing(path);
  if (!info) return undefined;
  if (!info.isFile) throw new FerryError("Refused", "something that is not a file is in the way of the upload");
  try {
    return Deno.openSync(path, ACCESS);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Makes the file; gives undefined when one is there. */
function make(path: string, { mode }: OpenPermissions): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path, { ...ACCESS, createNew: true, ...(mode !== undefined && { mode: mode | OWNER_BITS }) });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

/** The permission bits that a file in a directory can be made with. Reading the umask would mean to change it. */
function allowedBy(directory: string): number {
  const path = join(directory, temporaryName("", crypto.randomUUID()));
  using file = make(path, { mode: PERMISSION_BITS });
  const mode = file?.statSync().mode ?? 0;
  if (file) Deno.removeSync(path);
  return mode;
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
  /** Its state when it was opened. */
  #own: Deno.FileInfo;
  /** The permission bits that it shall have in the end; as they are when it is undefined. */
  #finalMode: number | undefined;

  private constructor(file: Deno.FsFile, path: string) {
    this.file = file;
    this.path = path;
    this.#own = file.statSync();
  }

  /** How many bytes it had when it was opened. */
  get size(): number {
    return this.#own.size;
  }

  /** How many of them can hold data; the rest of a sparse file is a hole. */
  get used(): number {
    return Math.min(this.size, (this.#own.blocks ?? Infinity) * SYSTEM_BLOCK_BYTES);
  }

  /** Names what was in it when it was opened, and says nothing else of it; see `settle`. */
  get state(): string {
    return hash("sha256", versionOf(this.#own), "hex");
  }

  /** Waits until `state` is one that it cannot have again when its content changes. */
  async settle(): Promise<void> {
    this.#own = await settled(this.#own, this.file);
  }

  /**
   * Opens or creates an owner's partial file for `name` in `directory`, and locks it against every other writer, also
   * one in another process. The lock ends when the file is closed, or with the process.
   *
   * @param directory A real path.
   * @param permissions At no time may anybody else do with it what these do not allow.
   * @throws {FerryError} `Busy` when another writer holds it; `NotFound` when the directory is gone.
   */
  static open(directory: string, name: string, owner?: string, permissions: OpenPermissions = {}): TemporaryFile {
    const path = join(directory, temporaryName(name, owner));
    for (let i = 0; i < MAX_TRIES; i++) {
      const made = make(path, permissions);
      const file = made ?? openThere(path);
      const partial = file && TemporaryFile.#lock(directory, path, file, made !== undefined, permissions);
      if (partial) return partial;
    }
    throw new FerryError("Busy", BUSY);
  }

  /** The same for one that is there already; undefined when there is none. */
  static openKept(directory: string, name: string, owner?: string): TemporaryFile | undefined {
    const path = join(directory, temporaryName(name, owner));
    for (let i = 0; i < MAX_TRIES; i++) {
      // Usually there is none, and this is the cheap way to find out.
      const file = existsSync(path) ? openThere(path) : undefined;
      if (!file) return undefined;
      const partial = TemporaryFile.#lock(directory, path, file);
      if (partial) return partial;
    }
    throw new FerryError("Busy", BUSY);
  }

  /** Takes the lock; gives undefined when the file was replaced meanwhile. */
  static #lock(
    directory: string,
    path: string,
    file: Deno.FsFile,
    isNew = false,
    permissions: OpenPermissions = {},
  ): TemporaryFile | undefined {
    try {
      if (!file.tryLockSync(true)) throw new FerryError("Busy", BUSY);
      const partial = new TemporaryFile(file, path);
      // Someone may have put a link in the directory's place since it was looked at.
      const isHere = realPathOrNothing(directory) === directory;
      // The last holder may have renamed or removed the file between our open and our lock.
      const isInPlace = partial.inPlace() !== undefined;
      if (isHere && isInPlace) {
        partial.#restrict(permissions, isNew);
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
    const file = Deno.openSync(this.path, ACCESS);
    if (isSameFile(file.statSync(), this.#own)) return file;
    file.close();
    throw new FerryError("Changed", "the partial file was replaced by others");
  }

  /** What the file is now, if the path still leads to it, and not to one that somebody has put in its place. */
  inPlace(): Deno.FileInfo | undefined {
    const named = lstatOrNothing(this.path);
    return named?.isFile && isSameFile(named, this.#own) ? named : undefined;
  }

  /** Gives the file the permission bits that it shall have in the end. Both are what they are in this synchronous step. */
  finish(own: Deno.FileInfo, replaced: Deno.FileInfo | undefined): void {
    const mode = this.#finalMode ?? own.mode;
    if (mode !== null) this.#giveMode(own, replaced?.isFile ? narrowed(replaced, mode) : mode & PERMISSION_BITS);
  }

  /** Gives it those that it has while it is written. */
  #restrict({ mode, isMasked = false }: OpenPermissions, isNew: boolean): void {
    if (mode === undefined || this.#own.mode === null) return;
    // What it was made with shows what the umask allows, unless an earlier upload asked for less.
    const allowed = isMasked ? this.#own.mode : PERMISSION_BITS;
    const isLess = !isNew && (mode & ~allowed) !== 0;
    this.#finalMode = mode & (isLess ? allowedBy(dirname(this.path)) : allowed);
    this.#giveMode(this.#own, (mode | OWNER_BITS) & allowed);
  }

  /** By path, so only when it must be. */
  #giveMode({ mode }: Deno.FileInfo, wanted: number): void {
    const differs = ((mode ?? wanted) & PERMISSION_BITS) !== wanted;
    if (differs && Deno.build.os !== "windows") Deno.chmodSync(this.path, wanted);
  }
}
