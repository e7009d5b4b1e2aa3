import type { FileMetadata } from "../../core/metadata.ts";
import { changedWhileRead, FerryError, toFerryError } from "../../core/errors.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { metadata, mtimeMs } from "./system_metadata.ts";
import { PacedFile } from "./paced_file.ts";
import { lookAgain, settled } from "./lookup.ts";
import type { Reader, ReadOptions } from "../storage.ts";

/** An open regular file, where it was opened, and what it was then. */
export interface OpenFile {
  readonly file: Deno.FsFile;
  readonly path: string;
  readonly info: Deno.FileInfo;
}

/** Whether the content of an open file may have changed between two looks at it. */
function differs(before: Deno.FileInfo, after: Deno.FileInfo): boolean {
  if (before.size !== after.size || mtimeMs(before) !== mtimeMs(after)) return true;
  // Replacing the name of an open file changes its ctime too, but takes a link away and leaves the content alone.
  return before.nlink === after.nlink && before.ctime?.getTime() !== after.ctime?.getTime();
}

/** Reads an open file, and fails with `Changed` rather than give a mixture of two versions. */
export class DirectoryReader implements Reader {
  readonly metadata: FileMetadata;
  readonly length: number;
  readonly #file: PacedFile;
  readonly #path: string;
  readonly #info: Deno.FileInfo;
  readonly #signal: AbortSignal | undefined;
  #remaining: number;

  private constructor({ file, path }: OpenFile, info: Deno.FileInfo, options: ReadOptions) {
    const { offset = 0, length = Infinity, ifVersion, signal } = options;
    this.metadata = metadata(info);
    const { size, version } = this.metadata;
    if (ifVersion !== undefined && ifVersion !== version) {
      throw new FerryError("Changed", "it is not the version that was asked for");
    }
    if (offset > size) {
      throw new FerryError("BadRequest", `the offset ${offset} is beyond the end of the file (${size} bytes)`);
    }
    this.length = this.#remaining = Math.min(length, size - offset);
    if (offset > 0) file.seekSync(offset, Deno.SeekMode.Start);
    this.#file = new PacedFile(file);
    this.#path = path;
    this.#info = info;
    this.#signal = signal;
  }

  /** Reads a file as it is as soon as any change from then on will be seen. The reader closes it, also when this fails. */
  static async open(opened: OpenFile, options: ReadOptions): Promise<DirectoryReader> {
    try {
      return new DirectoryReader(opened, await settled(opened.info, opened.file), options);
    } catch (error) {
      opened.file.close();
      throw error;
    }
  }

  read(into: Uint8Array): Promise<number | null> | number | null {
    try {
      throwIfAborted(this.#signal);
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
    if (n === null) throw changedWhileRead();
    this.#remaining -= n;
    return n;
  }

  #finish(): null {
    if (differs(this.#info, lookAgain(this.#file.file, this.#path, this.#info))) throw changedWhileRead();
    return null;
  }
}
