import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { RateLimit, Throttle } from "../../lib/transport/rate_limit.ts";
import { within } from "../helpers/raw.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

// The meter, with a clock of its own

Deno.test("RateLimit.count() spreads bytes over time", () => {
  const limit = new RateLimit(1000);
  // What a timer may be late is made up for, so the first 50 ms are free.
  assertEquals(limit.count(1000, 10_000), 950);
  assertEquals(limit.count(500, 10_000), 1450);
  assertEquals(limit.count(500, 11_000), 950);
  assertEquals(limit.count(0, 11_950), 0);
  assertEquals(limit.count(100, 11_950), 100);
});

Deno.test("RateLimit.count() gives no credit for a long pause", () => {
  const limit = new RateLimit(1000);
  limit.count(1000, 0);
  assertEquals(limit.count(1000, 3600_000), 950);
});

Deno.test("RateLimit.count() makes up for waits that are too short for a timer", () => {
  const limit = new RateLimit(1_000_000);
  assertEquals(limit.count(50_000, 1000), 0);
  for (let i = 1; i < 5; i++) assertEquals(limit.count(1000, 1000), 0, `${i} ms`);
  assertEquals(limit.count(1000, 1000), 5);
  assertEquals(limit.count(1000, 1000), 6);
});

Deno.test("RateLimit.count() holds the rate with timers that are late, and with rates of all sizes", () => {
  for (const rate of [1, 100, KIB, MIB, 1000 * MIB, 1e15]) {
    const limit = new RateLimit(rate);
    let [now, moved] = [1000, 0];
    for (let i = 0; i < 1000; i++) {
      moved += limit.slice;
      // A millisecond late each time.
      const wait = limit.count(limit.slice, now);
      assert(Number.isFinite(wait) && wait >= 0, `${wait} at ${rate}`);
      if (wait > 0) now += wait + 1;
    }
    const elapsed = now - 1000;
    const wanted = moved / rate * 1000;
    assertLess(elapsed, wanted + 5, `${rate}`);
    assertGreater(elapsed, wanted - 60, `${rate}`);
  }
});

Deno.test("RateLimit.slice is a twentieth of a second's bytes, neither tiny nor larger than a frame", () => {
  const slices = [1, 100, 100 * KIB, 10 * MIB, 1000 * MIB, Number.MAX_SAFE_INTEGER].map((rate) =>
    new RateLimit(rate).slice
  );
  assertEquals(slices, [512, 512, 5 * KIB, 512 * KIB, MIB, MIB]);
});

Deno.test("Throttle keeps to the stricter of its limits", () => {
  const throttle = new Throttle([new RateLimit(MIB), new RateLimit(100 * KIB)]);
  assertEquals(throttle.slice(new Uint8Array(MIB)).length, 5 * KIB);
  assertEquals(throttle.slice(new Uint8Array(100)).length, 100);
  assertGreater(throttle.count(100 * KIB), 900);
});

Deno.test("Throttle.wait() ends at once with close(), before and after", async () => {
  const throttle = new Throttle([new RateLimit(1)]);
  const waiting = throttle.wait(3600_000);
  throttle.close();
  await within(waiting, "the end of the wait");
  await within(throttle.wait(3600_000), "the end of the next");
});
