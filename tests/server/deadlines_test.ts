import { assertEquals } from "@std/assert";
import { DEFAULT_LIMITS } from "../../lib/access/limits.ts";
import { type Activity, overdue } from "../../lib/server/deadlines.ts";

const NOW = 10_000_000;
const LIMITS = { ...DEFAULT_LIMITS, helloMs: 1_000, stallMs: 5_000, idleMs: 60_000 };

/** A session that was let in long ago and for which everything happened just now. */
const BUSY: Activity = { began: 0, greeted: true, midway: false, idle: false, progressAt: NOW, workedAt: NOW };

const ago = (ms: number) => NOW - ms;

const CASES: Record<string, [Partial<Activity>, string | undefined]> = {
  "one who is served": [{ progressAt: 0, workedAt: 0 }, undefined],
  "one who says hello in time": [{ greeted: false, began: ago(1_000) }, undefined],
  "one who says hello late, however much it sends": [{ greeted: false, began: ago(1_001) }, "no hello within 1 s"],
  "one who moves in the middle": [{ midway: true, progressAt: ago(5_000), workedAt: ago(5_000) }, undefined],
  "one who stands still in the middle": [{ midway: true, progressAt: ago(5_001) }, "no progress within 5 s"],
  "one who only shows that it is there": [{ midway: true, workedAt: ago(60_000) }, undefined],
  "one who does so for too long": [{ midway: true, workedAt: ago(60_001) }, "no progress within 60 s"],
  "one who asks for something in time": [{ idle: true, workedAt: ago(60_000) }, undefined],
  "one who asks for nothing": [{ idle: true, workedAt: ago(60_001) }, "no request within 60 s"],
  "one who has nothing to answer but is in the middle of it": [
    { idle: true, midway: true, workedAt: ago(60_000) },
    undefined,
  ],
};

for (const [who, [activity, reason]] of Object.entries(CASES)) {
  Deno.test(`overdue() says ${reason ?? "nothing"} of ${who}`, () => {
    assertEquals(overdue({ ...BUSY, ...activity }, LIMITS, NOW), reason);
  });
}

Deno.test("overdue() lets one who shows that it is there stand still for as long as one who does not", () => {
  const limits = { ...LIMITS, stallMs: 100_000 };
  const shows = { ...BUSY, midway: true, workedAt: ago(100_000) };
  assertEquals(overdue(shows, limits, NOW), undefined);
  assertEquals(overdue({ ...shows, workedAt: ago(100_001) }, limits, NOW), "no progress within 60 s");
});
