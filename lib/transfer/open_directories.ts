import { isIn } from "../core/remote_path.ts";

/** A directory of a tree in which something is under way. */
export interface OpenDirectory<T> {
  readonly path: string;
  readonly parent: OpenDirectory<T> | undefined;
  /** What its user knows of it. */
  readonly value: T;
  /** How many things in it are under way, and one for itself while the listing is in it. */
  open: number;
}

/**
 * The directories of a tree that are open, while its listing goes through them in order: each is closed when the listing
 * has left it and all in it is over.
 */
export class OpenDirectories<T> {
  readonly #close: (directory: OpenDirectory<T>, left: () => void) => void;
  #current: OpenDirectory<T>;

  /**
   * @param top What is known of the top of the tree.
   * @param close Told when all in a directory is over; it must call `left` when the directory is done with, too.
   */
  constructor(top: T, close: (directory: OpenDirectory<T>, left: () => void) => void) {
    this.#close = close;
    this.#current = { path: "", parent: undefined, value: top, open: 1 };
  }

  /** The directory that holds `path`, or is it, of those that the listing is still in. The others are left. */
  above(path: string): OpenDirectory<T> {
    while (this.#current.parent && !isIn(path, this.#current.path)) this.#leave();
    return this.#current;
  }

  /** Goes on in a directory of the one that the listing is in. */
  enter(path: string, value: T): OpenDirectory<T> {
    const parent = this.#current;
    parent.open++;
    return this.#current = { path, parent, value, open: 1 };
  }

  /** Says that something in a directory is over. */
  release(directory: OpenDirectory<T>): void {
    if (--directory.open > 0) return;
    const { parent } = directory;
    this.#close(directory, () => parent && this.release(parent));
  }

  /** Says that nothing more is listed. */
  end(): void {
    while (this.#current.parent) this.#leave();
    this.release(this.#current);
  }

  #leave(): void {
    const left = this.#current;
    if (left.parent) this.#current = left.parent;
    this.release(left);
  }
}
