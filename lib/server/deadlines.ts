import type { Limits } from "../access/limits.ts";
import type { Connection } from "../transport/connection.ts";

/** What a session is doing; times are on the clock of `performance.now()`, in ms, and as those of its `Connection`. */
export interface Activity extends Pick<Connection, "progressAt" | "workedAt"> {
  readonly began: number;
  /** Whether the client was let in. */
  readonly greeted: boolean;
  /** Whether it is the client's turn in the middle of something. */
  readonly midway: boolean;
  /** Whether there is nothing to answer. */
  readonly idle: boolean;
}

/** What the client has taken too long for, if anything. */
export function overdue(activity: Activity, limits: Limits, now: number): string | undefined {
  const { helloMs, stallMs, idleMs } = limits;
  const { began, greeted, midway, idle, progressAt, workedAt } = activity;
  const late = (what: string, ms: number) => `no ${what} within ${ms / 1000} s`;
  // Counted from the beginning: a byte now and then does not make it longer.
  if (!greeted) return now - began > helloMs ? late("hello", helloMs) : undefined;
  if (midway && now - progressAt > stallMs) return late("progress", stallMs);
  if (midway && now - workedAt > Math.max(idleMs, stallMs)) return late("progress", idleMs);
  if (idle && !midway && now - workedAt > idleMs) return late("request", idleMs);
  return undefined;
}
