import type { BlockSums } from "../core/block_sums.ts";
import type { FerryError } from "../core/errors.ts";
import type { Fill } from "../core/fill.ts";
import type { Digest, Entry, FileMetadata, Receipt, Space } from "../core/metadata.ts";
import type { RemotePath } from "../core/remote_path.ts";

export type { Fill };

/** Options that every operation has. */
export interface OperationOptions {
  /**
   * Gives the operation up when it is aborted, and no other; it then fails with `Cancelled`, unless it was done already. A
   * change that a server was sent in full ends with what the server says of it. If the server does not say within 2 s, it
   * fails with `Cancelled` all the same, with a message that says that it may have been done; the connection ends unless
   * other operations need it.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What to list, remove or sweep. */
export interface RecursiveOptions extends OperationOptions {
  /** Whether what is in the directories below belongs to it, too. */
  readonly recursive?: boolean | undefined;
}

/** How deep what is made may lie; with a directory that is renamed, all that is in it, too. */
export interface DepthOptions extends OperationOptions {
  /** The most names that its path may have, counted from the root and with links followed; any number when absent. */
  readonly maxDepth?: number | undefined;
}

/** How to read a file. */
export interface ReadOptions extends OperationOptions {
  /** The first byte wanted; 0 when absent. */
  readonly offset?: number | undefined;
  /** How many bytes are wanted; all when absent. */
  readonly length?: number | undefined;
  /** Fail with `Changed` unless the file still has this version. */
  readonly ifVersion?: string | undefined;
}

/** What is to be stored, as far as it is known before. */
export interface OfferOptions extends DepthOptions {
  /** The size that the file must have in the end, in bytes; unknown when absent, so that all that was kept counts. */
  readonly size?: number | undefined;
  /** Whether a file of that name is replaced (the default) or the upload fails with `AlreadyExists`. */
  readonly overwrite?: boolean | undefined;
  /**
   * Who uploads it; anything that does not change. What an upload leaves is its owner's: others do not go on with it,
   * change it, hold it up, or see it.
   */
  readonly owner?: string | undefined;
  /**
   * Whether what was kept counts in whole blocks only, for somebody who may not read it: from hashes of any length that
   * they like, or of a mixture with what they know, they could guess each byte by itself.
   */
  readonly wholeBlocks?: boolean | undefined;
  /** How much of the disk must stay free, in bytes; nothing when absent. */
  readonly keepFree?: number | undefined;
}

/** How to store a file. */
export interface UploadOptions extends OfferOptions {
  /** The time of last change that the file shall have, in ms since 1970; now when absent. */
  readonly mtimeMs?: number | undefined;
  /**
   * The permission bits that a new file shall have, less what the umask takes away, from the first byte on; the usual
   * ones when absent. A file that replaces another gets those for its owner that are in here, and for its group and others
   * only what that one has, too: nobody else may read the new content who could not read the old. It gets the same as that
   * one when this is absent.
   */
  readonly mode?: number | undefined;
  /** How many bytes of what was kept the file begins with; none when absent. */
  readonly offset?: number | undefined;
  /** With `offset`, the state of what was kept in which these bytes were compared; see `Storage.offer`. */
  readonly kept?: string | undefined;
  /** Whether the bytes come through `Upload.openPart`. */
  readonly inParts?: boolean | undefined;
  /** Whether file and directory are synced to the disk before `commit` is over. */
  readonly durable?: boolean | undefined;
}

/** How to make a directory. */
export interface MkdirOptions extends DepthOptions {
  /** Whether those above it are made, too, and all may be there already. */
  readonly parents?: boolean | undefined;
  /**
   * The permission bits of the directory, if it is made, less what the umask takes away; its owner gets all, to fill it.
   * The usual ones when absent.
   */
  readonly mode?: number | undefined;
}

/** Which blocks to sum up. */
export interface BlockOptions extends OperationOptions {
  /** How many bytes from the beginning, at most. */
  readonly length: number;
  /** The size of a block in bytes; chosen by the length when absent. */
  readonly blockSize?: number | undefined;
}

/** What `Storage.setMetadata` sets; what is absent stays. */
export interface MetadataChange {
  /** In ms since 1970. */
  readonly mtimeMs?: number | undefined;
  /**
   * The permission bits; ignored where the place has none. Only the owner can get more than now: what the umask took
   * away from the group and others stays away.
   */
  readonly mode?: number | undefined;
}

/** A file open for reading. Small or fast calls answer at once, others with a promise. */
export interface Reader {
  /** What is known of the file. */
  readonly metadata: FileMetadata;
  /** How many bytes this reader will give in all. */
  readonly length: number;
  /**
   * Reads the next bytes into `into`.
   *
   * @returns How many, or null at the end.
   * @throws {FerryError} `Changed` when the file is not what it was when it was opened.
   */
  read(into: Uint8Array): Promise<number | null> | number | null;
  /**
   * The next bytes where they are, valid until the next call, or null at the end. Saves a copy in a place that has the
   * bytes in memory.
   */
  next?(): Promise<Uint8Array | null> | Uint8Array | null;
  /** Fulfilled with the reason when it fails, even while nobody awaits one of its methods. */
  readonly failure?: Promise<FerryError>;
  /** Gives up what was not read. */
  close(): void;
}

/** Takes bytes, one piece after the other. */
export interface ByteSink {
  /** Appends bytes; the array may be reused as soon as the call is over. */
  write(bytes: Uint8Array): Promise<void> | void;
  /**
   * Appends what `read` puts, at most `length` bytes, into a space of the sink's own. Saves a copy in a place that sends
   * the bytes on from there.
   *
   * @returns What `read` gave.
   */
  fill?(length: number, read: Fill): Promise<number | null> | number | null;
}

/** A part of an upload, written independently of the others. */
export interface UploadPart extends ByteSink {
  /** Counts the part as received. Without it, it is as if nothing had been written. */
  finish(): Promise<void> | void;
  /** Ends the part, finished or not. */
  close(): void;
}

/** What an earlier upload has left of a file. It may be anything: compare the sums with the source. */
export interface Kept {
  /** The sums of its blocks, not beyond the size that the file is to have. */
  readonly sums: BlockSums;
  /** Names the state that it is in, for `UploadOptions.kept`; empty when there is nothing to go on with. */
  readonly state: string;
}

/** A file that is being stored. Nothing is visible under its name before `commit`. */
export interface Upload extends ByteSink {
  /**
   * Opens a place for the bytes from `offset` on, when the upload was opened with `inParts`. Parts that were sent
   * again count once, and must be the same. Absent where a file is written from one end to the other.
   */
  openPart?(offset: number): Promise<UploadPart> | UploadPart;
  /** Fulfilled with the reason when it fails, even while nobody awaits one of its methods. */
  readonly failure?: Promise<FerryError>;
  /**
   * Checks the size and puts the file in place. What is wrong with the upload as such may show only here: a small one
   * may go out in one piece.
   */
  commit(): Promise<Receipt>;
  /**
   * Gives up, and leaves what has arrived in one piece for a later attempt; after `commit` it does nothing.
   *
   * @returns How many bytes it leaves, where that is known.
   */
  abort(): Promise<number | void>;
}

/**
 * A place that holds files. Every failure is a `FerryError`. What not every place can do is an optional member; without
 * it, callers take a slower way.
 */
export interface Storage {
  /** What is known of a file or directory; of what a link leads to. */
  stat(path: RemotePath, options?: OperationOptions): Promise<FileMetadata>;
  /**
   * The entries of a directory, sorted by `listingKey`: the bytes of the whole path, a directory's with a `/` at its end.
   * With `recursive`, links to directories are entered, but not in circles.
   */
  list(path: RemotePath, options?: RecursiveOptions): AsyncIterable<Entry>;
  /** Opens a file for reading. */
  read(path: RemotePath, options?: ReadOptions): Promise<Reader>;
  /**
   * Begins to store a file.
   *
   * @throws {FerryError} `Changed` when what was kept is in another state by now.
   */
  upload(path: RemotePath, options?: UploadOptions): Promise<Upload>;
  /** Makes a directory. */
  mkdir(path: RemotePath, options?: MkdirOptions): Promise<void>;
  /** Gives something another path, never onto what exists. Nothing comes to lie so deep that it could not be used. */
  rename(path: RemotePath, to: RemotePath, options?: DepthOptions): Promise<void>;
  /** Removes a file, a link or an empty directory; with `recursive` also what is in a directory. */
  remove(path: RemotePath, options?: RecursiveOptions): Promise<void>;
  /** The sums of the blocks at the beginning of a file. */
  blocks(path: RemotePath, options: BlockOptions): Promise<{ sums: BlockSums; metadata: FileMetadata }>;
  /** The SHA-256 of a file's content in lower-case hex. */
  digest(path: RemotePath, options?: OperationOptions): Promise<Digest>;
  /**
   * Says what an earlier upload of the same owner has left of a file of the announced size, or all of it when none is
   * announced, and that an upload of it would be taken now. Absent where nothing is kept.
   *
   * @throws {FerryError} What `upload` would throw.
   */
  offer?(path: RemotePath, options?: OfferOptions): Promise<Kept>;
  /** Sets time and permission bits of a file or directory. Absent where they cannot be set later. */
  setMetadata?(path: RemotePath, change: MetadataChange, options?: OperationOptions): Promise<void>;
  /** How much can be stored. Absent where nobody can say. */
  space?(options?: OperationOptions): Promise<Space>;
  /** Removes what uploads and removals have left that were given up long ago, or that have a time far ahead. */
  sweep?(path: RemotePath, options?: RecursiveOptions): Promise<void>;
}
