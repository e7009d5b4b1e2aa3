import { SEPARATOR } from "@std/path";
import { endMoment } from "./moment.ts";

/** What is watched now. There are only as many as there are operations under way that take several steps. */
const watches = new Set<Watch>();

/** Whether a path is a real directory's own, or that of something in it. */
function isAtOrBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(SEPARATOR) ? directory : directory + SEPARATOR);
}

/**
 * Sees what this process does to a directory while it is worked on in several steps: moved away and back again, it would
 * look as if nothing had happened.
 */
export class Watch implements Disposable {
  /** The real path of the directory. */
  readonly path: string;
  #hasMoved = false;
  #hasChanged = false;

  constructor(path: string) {
    this.path = path;
    watches.add(this);
  }

  /** Whether it, or a directory above it, was moved or removed. */
  get hasMoved(): boolean {
    return this.#hasMoved;
  }

  /** Whether it was moved or removed, or anything in it was moved, removed or made. */
  get hasChanged(): boolean {
    return this.#hasChanged;
  }

  /** @param path The real path of what was moved or removed, or of what was made. */
  see(path: string, isGone: boolean): void {
    if (isAtOrBelow(path, this.path)) this.#hasChanged = true;
    if (isGone && isAtOrBelow(this.path, path)) this.#hasMoved = this.#hasChanged = true;
  }

  [Symbol.dispose](): void {
    watches.delete(this);
  }
}

/** To be called by whoever has moved or removed what had this real path, in the same synchronous step. */
export function moved(path: string): void {
  endMoment();
  for (const watch of watches) watch.see(path, true);
}

/** To be called by whoever has made what has this real path now, in the same synchronous step. */
export function added(path: string): void {
  for (const watch of watches) watch.see(path, false);
}
