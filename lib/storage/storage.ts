import type { Entry } from "../protocol/codec.ts";
import type { FileFacts, Receipt } from "../protocol/commands.ts";
import type { RemotePath } from "./path.ts";

export type { Entry, FileFacts, Receipt };

/** How to read a file. */
export interface ReadOptions {
  /** The first byte wanted; 0 when absent. */
  readonly offset?: number | undefined;
  /** How many bytes are wanted; all when absent. */
  readonly length?: number | undefined;
  /** Fail with `Changed` unless the file still has this version. */
  readonly ifVersion?: string | undefined;
}

/** How to store a file. */
export interface UploadOptions {
  /** The size that the file must have in the end, in bytes; unknown when absent. */
  readonly size?: number | undefined;
  /** The time of last change that the file shall have, in ms since 1970; now when absent. */
  readonly mtimeMs?: number | undefined;
  /** Whether a file of that name is replaced (the default) or the upload fails with `AlreadyExists`. */
  readonly overwrite?: boolean | undefined;
}

/** A file open for reading. Small or fast calls answer at once, others with a promise. */
export interface Reader {
  readonly facts: FileFacts;
  /** How many bytes this reader will give in all. */
  readonly length: number;
  /**
   * Reads the next bytes into `into`.
   *
   * @returns How many, or null at the end.
   * @throws {FerryError} `Changed` when the file is not what it was when it was opened.
   */
  read(into: Uint8Array): Promise<number | null> | number | null;
  close(): void;
}

/** A file that is being stored. Nothing is visible under its name before `commit`. */
export interface Upload {
  /** Appends bytes; the array may be reused as soon as the call is over. */
  write(bytes: Uint8Array): Promise<void> | void;
  /** Checks the size and puts the file in place. */
  commit(): Promise<Receipt>;
  /** Gives up; may be called after `commit`, and then does nothing. */
  abort(): Promise<void>;
}

/** A place that holds files. Every failure is a `FerryError`. */
export interface Storage {
  stat(path: RemotePath): Promise<FileFacts>;
  /** The entries of a directory, each directory's sorted by name (UTF-16 code units), parents before children. */
  list(path: RemotePath, options?: { recursive?: boolean | undefined }): AsyncIterable<Entry>;
  read(path: RemotePath, options?: ReadOptions): Promise<Reader>;
  upload(path: RemotePath, options?: UploadOptions): Promise<Upload>;
  mkdir(path: RemotePath, options?: { parents?: boolean | undefined }): Promise<void>;
  rename(path: RemotePath, to: RemotePath): Promise<void>;
  /** Removes a file, a link or an empty directory. */
  remove(path: RemotePath): Promise<void>;
  /** The SHA-256 of a file's content in lower-case hex. */
  digest(path: RemotePath, signal?: AbortSignal): Promise<{ sha256: string; size: number; version: string }>;
}
