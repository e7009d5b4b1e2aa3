import { statfsSync } from "node:fs";
import { FerryError } from "../protocol/errors.ts";

/** How much is written before the free space is looked at again, in bytes. */
const SPACE_CHECK_BYTES = 16 * 1024 * 1024;

/** Sees to it that uploads leave some of the disk free. */
export class SpaceKeeper {
  readonly #directory: string;
  readonly #keep: number;
  #unchecked = 0;

  /** @param keep How much must stay free, in bytes. */
  constructor(directory: string, keep: number) {
    this.#directory = directory;
    this.#keep = keep;
  }

  /** @throws {FerryError} `NoSpace` when so many more bytes would not leave enough. */
  require(bytes: number): void {
    if (this.#keep === 0) return;
    const { bavail, bsize } = statfsSync(this.#directory);
    if (bavail * bsize - bytes >= this.#keep) return;
    throw new FerryError("NoSpace", `the server keeps ${this.#keep} bytes of its disk free`);
  }

  /** Counts bytes before they are written. @throws {FerryError} As `require`. */
  count(bytes: number): void {
    this.#unchecked += bytes;
    if (this.#unchecked < SPACE_CHECK_BYTES) return;
    this.require(this.#unchecked);
    this.#unchecked = 0;
  }
}
