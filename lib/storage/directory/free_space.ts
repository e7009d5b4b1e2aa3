import { statfsSync } from "node:fs";
import { FerryError } from "../../core/errors.ts";

/** Sees to it that uploads leave some of the disk free. */
export class FreeSpace {
  readonly #directory: string;
  readonly #keep: number;

  /** @param keep How much must stay free, in bytes. */
  constructor(directory: string, keep: number) {
    this.#directory = directory;
    this.#keep = keep;
  }

  /**
   * Looks whether so many more bytes fit. To be called before each write: it costs a hundredth of writing 1 MiB.
   *
   * @throws {FerryError} `NoSpace` when they would not leave enough.
   */
  require(bytes: number): void {
    if (this.#keep === 0) return;
    const { bavail, bsize } = statfsSync(this.#directory);
    if (bavail * bsize - bytes >= this.#keep) return;
    throw new FerryError("NoSpace", `the server keeps ${this.#keep} bytes of its disk free`);
  }
}
