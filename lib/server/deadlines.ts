import type { Limits } from "../access/limits.ts";

/** What a session is doing; times are on the clock of `performance.now()`, in ms. */
export interface Activity {
  readonly began: number;
  /** Whether the client has said hello, and shown that it knows a secret where that is needed. */
  readonly greeted: boolean;
  /** Whether it is the client's turn in the middle of something. */
  readonly midway: boolean;
  /** Whether there is nothing to answer. */
  readonly idle: boolean;
  /** When bytes have moved last, and when such that do more than show that the other end is there. */
  readonly progressAt: number;
  readonly workedAt: number;
}

/** For what a client has taken too long, if it has. */
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
