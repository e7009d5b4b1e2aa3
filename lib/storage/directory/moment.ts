import { setImmediate } from "node:timers";

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

/** To be called by whoever changes where paths lead. */
export function endMoment(): void {
  known.clear();
}
