import { hash } from "node:crypto";
import { join } from "@std/path";
import { FerryError } from "../protocol/errors.ts";
import { isSameFile, lstatOrNothing, realPathOrNothing } from "./lookup.ts";
import { RESERVED_PREFIX } from "./path.ts";

/** The permission bits of a file that are kept when it is replaced. */
export const PERMISSION_BITS = 0o777;

/** How often to try again when the partial file is replaced under our hands before we give up. */
const MAX_TRIES = 10;

/** What the names of partial files look like. */
export const PARTIAL_NAME = /^\.ferry-[0-9a-f]{16}\.part$/;

/**
 * The name of the partial file for `name`: it fits into any directory that `name` fits into, is the same every time
 * so that an interrupted upload can be found again, and says nothing.
 */
export function partialName(name: string): string {
  return `${RESERVED_PREFIX}${hash("sha256", name, "hex").slice(0, 16)}.part`;
}

const BUSY = "it is being written by someone else; try again later";

/** Makes the file, or opens the one that is there, without ever following a link or opening anything else. */
function openOrMake(path: string, mode: number | undefined): { file: Deno.FsFile; isNew: boolean } | undefined {
  const access = { read: true, write: true };
  try {
    const file = Deno.openSync(path, { ...access, createNew: true, ...(mode === undefined ? {} : { mode }) });
    return { file, isNew: true };
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const info = lstatOrNothing(path);
  if (!info) return undefined;
  if (!info.isFile) throw new FerryError("Refused", "something that is not a file is in the way of the upload");
  try {
    return { file: Deno.openSync(path, access), isNew: false };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A partial file that this process alone may write. */
export class PartialFile {
  readonly file: Deno.FsFile;
  readonly path: string;
  /** How many bytes it had when it was opened. */
  readonly size: number;
  /** What it was then. */
  readonly #own: Deno.FileInfo;

  private constructor(file: Deno.FsFile, path: string) {
    this.file = file;
    this.path = path;
    this.#own = file.statSync();
    this.size = this.#own.size;
  }

  /**
   * Opens or creates the partial file for `name` in `directory`, and locks it against every other writer, also one in
   * another process. The lock ends when the file is closed, or with the process.
   *
   * @param directory A real path.
   * @param mode The permission bits that the file shall have, where they must not be the usual ones.
   * @throws {FerryError} `Busy` when another writer holds it; `NotFound` when the directory is gone.
   */
  static open(directory: string, name: string, mode?: number): PartialFile {
    const path = join(directory, partialName(name));
    for (let i = 0; i < MAX_TRIES; i++) {
      const opened = openOrMake(path, mode);
      if (!opened) continue;
      const { file, isNew } = opened;
      try {
        if (!file.tryLockSync(true)) throw new FerryError("Busy", BUSY);
        const partial = new PartialFile(file, path);
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
    }
    throw new FerryError("Busy", BUSY);
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
