import { setImmediate } from "node:timers";

/** Stands for one turn of the event loop, some milliseconds. */
export type Moment = Record<never, never>;

let current: Moment | undefined;

/**
 * The turn of the event loop that we are in. What was true of a path within the same one is not looked at again: this
 * process has not changed it, and to look every time would only make the time shorter in which others can.
 */
export function thisMoment(): Moment {
  if (!current) {
    current = {};
    setImmediate(endMoment).unref();
  }
  return current;
}

/** To be called by whoever changes where paths lead. */
export function endMoment(): void {
  current = undefined;
}
