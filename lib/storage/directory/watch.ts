import { setImmediate } from "node:timers";
import { SEPARATOR } from "@std/path";

/** What is watched now. There are only as many as there are operations under way that take several steps. */
const watches = new Set<Watch>();

/** Whether a path is a real directory's own, or that of something in it. */
export function isAtOrBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(SEPARATOR) ? directory : directory + SEPARATOR);
}

/**
 * Sees what this process does to a directory while it is worked on in several steps: moved away and back again, it would
 * look as if nothing had happened.
 */
export class Watch implements Disposable {
  /** The real path of the directory. */
  readonly path: string;
  /** Whether it, or a directory above it, was moved or removed. */
  hasMoved = false;
  /** Whether it was moved or removed, or anything in it was moved, removed or made. */
  hasChanged = false;

  constructor(path: string) {
    this.path = path;
    watches.add(this);
  }

  /** @param path The real path of what was moved or removed, or of what was made. */
  see(path: string, isGone: boolean): void {
    if (isAtOrBelow(path, this.path)) this.hasChanged = true;
    if (isGone && isAtOrBelow(this.path, path)) this.hasMoved = this.hasChanged = true;
  }

  [Symbol.dispose](): void {
    watches.delete(this);
  }
}

/** Call it in the same synchronous step in which something at this real path was moved or removed. */
export function moved(path: string): void {
  endMoment();
  for (const watch of watches) watch.see(path, true);
}

/** Call it in the same synchronous step in which something was made at this real path. */
export function added(path: string): void {
  for (const watch of watches) watch.see(path, false);
}

/**
 * Real directories that were found in this turn of the event loop, some milliseconds. They are not looked at again: this
 * process has not changed where their paths lead, and to look every time would only make the time shorter in which others
 * can. Most often many files of one directory are used one after the other.
 */
const known = new Set<string>();

/** Whether a real directory was found at this path, without a link on the way, at this moment. */
export function isKnownDirectory(path: string): boolean {
  return known.has(path);
}

/** @param path Where a real directory is, without a link on the way. */
export function rememberDirectory(path: string): void {
  if (known.size === 0) setImmediate(endMoment).unref();
  known.add(path);
}

/** Call it after changing where paths lead. */
export function endMoment(): void {
  known.clear();
}
