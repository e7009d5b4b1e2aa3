/** Its owner decides who else may do something with a file; nobody else does. */
const OWNERS = 0o700;

/**
 * The permission bits that something with the bits `found` gets for `wanted`: those for its owner as they are wanted, and
 * for its group and others only those of them that are there already.
 */
export function narrowedBits(found: number, wanted: number): number {
  return wanted & (found | OWNERS);
}

/** Whether `Storage.setMetadata` would change no permission bits. */
export function hasBits(found: number | undefined, wanted: number | undefined): boolean {
  return found === undefined || wanted === undefined || narrowedBits(found, wanted) === found;
}

/** What is known of a file or directory. */
export interface FileMetadata {
  /** What a link leads to decides. */
  readonly kind: "file" | "directory";
  /** In bytes; 0 for a directory. */
  readonly size: number;
  /** The time of last change, in ms since 1970. */
  readonly mtimeMs: number;
  /** The permission bits; absent where the place has none. */
  readonly mode?: number | undefined;
  /** Whether it is a symbolic link itself, whatever it leads to. */
  readonly link?: boolean | undefined;
  /** Changes with the content. */
  readonly version: string;
}

/** One line of a listing. */
export interface Entry extends Omit<FileMetadata, "kind" | "version"> {
  /** Relative to the listed directory. */
  readonly path: string;
  /** `other` for what is there and is not served: a pipe, a socket, a link that leads nowhere or out of the place. */
  readonly kind: "file" | "directory" | "other";
  /** Why something of kind `other` is not served, or something in a directory is missing, in words. */
  readonly reason?: string | undefined;
  /** Something in this directory belongs to the listing and is missing; `reason` says why. */
  readonly unreadable?: boolean | undefined;
}

/** The hash of a file's content, and of which content. */
export interface Digest extends Pick<FileMetadata, "size" | "version"> {
  /** In lower-case hex. */
  readonly sha256: string;
}

/** The space of a place, in bytes. */
export interface Space {
  /** What can still be stored. */
  readonly free: number;
  /** What there is in all. */
  readonly total: number;
}

/** What a place says of a file that it has stored. */
export interface Receipt extends Pick<FileMetadata, "size" | "mtimeMs" | "version"> {
  /** The path that it has in the place. */
  readonly path: string;
  /** Whether it was synced to the disk before. */
  readonly durable: boolean;
}
