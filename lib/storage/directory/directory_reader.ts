import type { FileMetadata } from "../../core/metadata.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { metadata, mtimeMs } from "./system_metadata.ts";
import { PacedFile } from "./paced_file.ts";
import { lookAgain } from "./lookup.ts";
import { settled } from "./settle.ts";
import type { Reader, ReadOptions } from "../storage.ts";

/** Whether the content of an open file may have changed between two looks at it. */
function differs(before: Deno.FileInfo, after: Deno.FileInfo): boolean {
  if (before.size !== after.size || mtimeMs(before) !== mtimeMs(after)) return true;
  // Replacing the name of an open file changes its ctime too, but takes a link away and leaves the content alone.
  return before.nlink === after.nlink && before.ctime?.getTime() !== after.ctime?.getTime();
}

/** Reads an open file, and fails with `Changed` rather than give a mixture of two versions. */
export class DirectoryReader implements Reader {
  readonly #file: PacedFile;
  readonly #path: string;
  readonly #options: ReadOptions;
  #info: Deno.FileInfo;
  #remaining = 0;
  metadata: FileMetadata;
  length = 0;

  /**
   * @param file An open regular file; the reader closes it.
   * @param path Where it was opened.
   * @param info What it was then.
   */
  constructor(file: Deno.FsFile, path: string, info: Deno.FileInfo, options: ReadOptions) {
    this.#file = new PacedFile(file);
    this.#path = path;
    this.#options = options;
    this.#info = info;
    this.metadata = metadata(info);
  }

  /** Waits until a change from now on will be seen, then finds the place to begin. To be called once before `read`. */
  async settle(): Promise<void> {
    const info = await settled(this.#info, () => this.#file.file.statSync());
    if (info !== this.#info) this.metadata = metadata(info);
    this.#info = info;
    const { offset = 0, length, ifVersion } = this.#options;
    if (ifVersion !== undefined && ifVersion !== this.metadata.version) {
      throw new FerryError("Changed", "it is not the version that was asked for");
    }
    if (offset > this.metadata.size) {
      throw new FerryError(
        "BadRequest",
        `the offset ${offset} is beyond the end of the file (${this.metadata.size} bytes)`,
      );
    }
    this.length = this.#remaining = Math.min(length ?? Infinity, this.metadata.size - offset);
    if (offset > 0) this.#file.file.seekSync(offset, Deno.SeekMode.Start);
  }

  read(into: Uint8Array): Promise<number | null> | number | null {
    try {
      throwIfAborted(this.#options.signal);
      if (this.#remaining === 0) return this.#finish();
      const n = this.#file.read(into.subarray(0, Math.min(into.length, this.#remaining)));
      if (!(n instanceof Promise)) return this.#account(n);
      return n.then((n) => this.#account(n), (error) => Promise.reject(toFerryError(error)));
    } catch (error) {
      throw toFerryError(error);
    }
  }

  close(): void {
    this.#file.file.close();
  }

  #account(n: number | null): number {
    if (n === null) throw this.#changed();
    this.#remaining -= n;
    return n;
  }

  #finish(): null {
    if (differs(this.#info, lookAgain(this.#file.file, this.#path, this.#info))) throw this.#changed();
    return null;
  }

  #changed(): FerryError {
    return new FerryError("Changed", "it changed while it was read; try again");
  }
}
