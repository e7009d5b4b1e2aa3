import { SEPARATOR } from "@std/path";
import { FerryError } from "../../core/errors.ts";
import { isSameFile, lstatOrNothing, realPathOrNothing } from "./lookup.ts";
import { isLonger, MAX_SYSTEM_PATH_BYTES } from "../../core/remote_path.ts";

/**
 * The real path of a deeper directory is not asked for: that takes the square of the depth, 50 ms for 1,900 names. Clients
 * cannot make anything so deep; and it is the same directory when it has the same inode.
 */
const MAX_REAL_PATH_DEPTH = 256;

/**
 * A directory in which something is done in several steps. Between two steps it may be moved, and something else be put
 * in its place; so each step begins with a check, and uses no other directory.
 */
export class PinnedDirectory {
  /** Its real path. */
  readonly path: string;
  readonly #info: Deno.FileInfo;
  readonly #isVeryDeep: boolean;

  /** @param info What `lstat` says of it in this step. */
  constructor(path: string, info: Deno.FileInfo) {
    this.path = path;
    this.#info = info;
    // Most paths are too short for that.
    this.#isVeryDeep = path.length > 2 * MAX_REAL_PATH_DEPTH && path.split(SEPARATOR).length > MAX_REAL_PATH_DEPTH;
  }

  /**
   * To be called at the beginning of each synchronous step. Gives what `lstat` says of it now.
   *
   * @throws {FerryError} `Changed` when it is gone, or there is a link on the way to it.
   */
  check(): Deno.FileInfo {
    if (!this.#isVeryDeep && realPathOrNothing(this.path) !== this.path) throw changed();
    return this.checkSame();
  }

  /**
   * The same, when there is no link on the way for certain: in a step that has begun with the check of a directory in
   * this one. The real path of a deep directory takes much longer.
   */
  checkSame(): Deno.FileInfo {
    return this.#compare(this.path);
  }

  /**
   * The same, and whether what is in it may be looked at: one that may only be read has names and nothing else.
   *
   * @throws The system's error when it may not.
   */
  checkInside(): void {
    const inside = this.path + SEPARATOR + ".";
    // Where that is too long, so is the path of everything in it.
    this.#compare(isLonger(inside, MAX_SYSTEM_PATH_BYTES) ? this.path : inside);
  }

  #compare(path: string): Deno.FileInfo {
    const now = lstatOrNothing(path);
    if (!now?.isDirectory || !isSameFile(now, this.#info)) throw changed();
    return now;
  }
}

/** The failure of something begun in a directory that is gone. */
export function changed(): FerryError {
  return new FerryError("Changed", "the directory was moved or replaced meanwhile; try again");
}
