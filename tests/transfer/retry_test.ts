import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { type ErrorCode, FerryError } from "../../lib/core/errors.ts";
import { type Attempts, Retry } from "../../lib/transfer/retry.ts";
import { MovedClock } from "../helpers/clock.ts";
import { assertFailsWith } from "../helpers/failures.ts";
import { within } from "../helpers/raw.ts";

function failure(code: ErrorCode): FerryError {
  return new FerryError(code, "made by the test");
}

/** An operation that fails with these codes in turn, then succeeds. */
function failing(...codes: ErrorCode[]) {
  const operation = {
    attempts: 0,
    /** What `isRepeated` was in each attempt. */
    repeated: [] as boolean[],
    run: (_attempts: unknown, isRepeated: boolean) => {
      operation.repeated.push(isRepeated);
      const code = codes[operation.attempts++];
      return code ? Promise.reject(failure(code)) : Promise.resolve("done");
    },
  };
  return operation;
}

function always(code: ErrorCode) {
  return failing(...Array<ErrorCode>(20).fill(code));
}

/** An operation each of whose attempts takes so long on this clock. */
function taking<T>(clock: MovedClock, ms: number, { run }: { run: (attempts: Attempts, isRepeated: boolean) => T }) {
  return (attempts: Attempts, isRepeated: boolean) => {
    clock.forward(ms);
    return run(attempts, isRepeated);
  };
}

Deno.test("Retry.run() runs an operation again after every kind of loss, and says that it is repeated", async () => {
  for (const code of ["Disconnected", "Corrupt", "ShuttingDown", "Timeout"] as const) {
    const operation = failing(code);
    assertEquals(await new Retry().run(operation.run), "done");
    assertEquals(operation.repeated, [false, true], code);
  }
});

Deno.test("Retry.run() does not run again what was refused, or could not connect to begin with", async () => {
  const retry = new Retry();
  const codes = ["NotFound", "Refused", "Busy", "Changed", "NoSpace", "BadRequest", "Unreachable"] as const;
  const began = performance.now();
  for (const code of codes) {
    const operation = failing(code);
    await assertFailsWith(code, () => retry.run(operation.run));
    assertEquals(operation.attempts, 1, code);
  }
  // The first pause would be 100 ms at least.
  assertLess(performance.now() - began, 95);
});

Deno.test("Retry.run() gives up when so much time has gone by since the first loss without progress", async () => {
  for (const [retryMs, attempts] of [[0, 1], [1, 2], [59_999, 2], [60_001, 3]] as const) {
    using clock = new MovedClock(false);
    const operation = always("Disconnected");
    await assertFailsWith("Disconnected", () => new Retry({ retryMs }).run(taking(clock, 60_000, operation)));
    assertEquals(operation.attempts, attempts, `${retryMs} ms`);
  }
});

Deno.test("Retry.run() makes its last attempt when the time is over", async () => {
  const began = performance.now();
  const operation = always("Disconnected");
  await assertFailsWith("Disconnected", () => new Retry({ retryMs: 30 }).run(operation.run));
  const took = performance.now() - began;
  // The first pause would take 100 ms at least.
  assert(took >= 29 && took < 95, `${took} ms`);
  assertLess(operation.attempts, 5);
});

Deno.test("Retry.run() does not count the time for which the machine slept", async () => {
  using clock = new MovedClock(false);
  const operation = failing("Disconnected", "Unreachable", "Disconnected");
  const night = 8 * 3600 * 1000;
  const retry = new Retry({ retryMs: 5 * 60 * 1000 });
  assertEquals(await retry.run(taking(clock, night, operation)), "done");
  assertEquals(operation.attempts, 4);
});

Deno.test("Retry.run() begins to count again when there was progress", async () => {
  using clock = new MovedClock(false);
  const retry = new Retry({ retryMs: 59_999 });
  let attempts = 0;
  const result = await retry.run(({ progressed }) => {
    clock.forward(60_000);
    if (++attempts < 6) progressed();
    return attempts < 6 ? Promise.reject(failure("Disconnected")) : Promise.resolve("done");
  });
  assertEquals([result, attempts], ["done", 6]);
  const stuck = always("Disconnected");
  await assertFailsWith("Disconnected", () => retry.run(taking(clock, 60_000, stuck)));
  assertEquals(stuck.attempts, 2, "a success counts as progress, too");
});

Deno.test("Retry.run() goes on for ever when something is damaged all the time, but more arrives each time", async () => {
  let attempts = 0;
  const result = await new Retry().run(({ progressed }) => {
    progressed();
    return ++attempts < 9 ? Promise.reject(failure("Corrupt")) : Promise.resolve("done");
  });
  assertEquals([result, attempts], ["done", 9]);
  for (const [retryMs, attempts] of [[0, 1], [1, 6]] as const) {
    const stuck = always("Corrupt");
    await assertFailsWith("Corrupt", () => new Retry({ retryMs }).run(stuck.run));
    assertEquals(stuck.attempts, attempts);
  }
});

Deno.test("Retry.run() that gave up leaves the next operation its time", async () => {
  using clock = new MovedClock(false);
  const retry = new Retry({ retryMs: 999 });
  await assertFailsWith("Disconnected", () => retry.run(taking(clock, 1_000, always("Disconnected"))));
  const next = failing("Disconnected");
  assertEquals(await retry.run(next.run), "done");
  assertEquals(next.attempts, 2);
});

Deno.test("Retry.run() waits for a server that comes back after a while", async () => {
  const operation = failing("Disconnected", "Unreachable", "Unreachable");
  assertEquals(await new Retry().run(operation.run), "done");
  assertEquals(operation.attempts, 4);
  const gone = failing("Disconnected", ...Array<ErrorCode>(20).fill("Unreachable"));
  using clock = new MovedClock(false);
  await assertFailsWith("Unreachable", () => new Retry({ retryMs: 1_999 }).run(taking(clock, 1_000, gone)));
  assertEquals(gone.attempts, 3);
});

Deno.test("Retry.run() waits, too, when it begins while another waits for the connection", async () => {
  const retry = new Retry();
  const lost = Promise.withResolvers<void>();
  let attempts = 0;
  const early = retry.run(() => {
    lost.resolve();
    return ++attempts === 1 ? Promise.reject(failure("Disconnected")) : Promise.resolve("early");
  });
  await lost.promise;
  await setImmediate();
  const late = retry.run(failing("Unreachable").run);
  assertEquals(await within(Promise.all([early, late]), "both"), ["early", "done"]);
});

Deno.test("Retry.run() tries a busy file again after a loss, as long as a lost connection, and holds up no others", async () => {
  using clock = new MovedClock(false);
  const retry = new Retry({ retryMs: 59_999 });
  const twice = failing("Disconnected", "Busy", "Busy");
  assertEquals(await retry.run(twice.run), "done");
  assertEquals(twice.attempts, 4);
  const busy = failing("Disconnected", ...Array<ErrorCode>(20).fill("Busy"));
  const others: boolean[] = [];
  const run = taking(clock, 20_000, busy);
  const running = retry.run((attempts, isRepeated) => {
    others.push(retry.begin().ready(undefined) === undefined);
    setTimeout(() => others.push(retry.begin().ready(undefined) === undefined), 1);
    return run(attempts, isRepeated);
  });
  await assertFailsWith("Busy", () => running);
  assertEquals(busy.attempts, 5);
  // Only the pause after the loss is everybody's.
  await setImmediate();
  assertEquals(others.filter((isFree) => !isFree).length, 1);
});

Deno.test("Retry.run() stops at once when it is cancelled in a pause, and the others go on", async () => {
  const retry = new Retry();
  const stop = new AbortController();
  let attempts = 0;
  const cancelled = assertFailsWith("Cancelled", () =>
    retry.run(() => {
      if (++attempts === 3) setTimeout(() => stop.abort(), 1);
      return Promise.reject(failure("Disconnected"));
    }, stop.signal));
  const other = failing("Disconnected");
  assertEquals(await retry.run(other.run), "done");
  await cancelled;
  assertEquals([attempts, other.attempts], [3, 2]);
});

Deno.test("Retry.run() lets operations go on in the order that they had, and counts what they lost together once", async () => {
  const began = performance.now();
  const retry = new Retry();
  const orders: number[][] = [[], [], []];
  const names = Array.from({ length: 20 }, (_, i) => i);
  await within(Promise.all(names.map((name) => {
    let attempt = 0;
    return retry.run(() => {
      orders[attempt]?.push(name);
      return ++attempt < 3 ? Promise.reject(failure("Disconnected")) : Promise.resolve();
    });
  })));
  assertEquals(orders, [names, names, names]);
  // Had each counted by itself, the pauses would be the longest that there are.
  assertLess(performance.now() - began, 4_000);
});

Deno.test("Retry.run() counts a loss once that some operations notice late", async () => {
  using clock = new MovedClock(false);
  const retry = new Retry({ retryMs: 999 });
  const noticed = Promise.withResolvers<void>();
  let first = 0;
  let second = 0;
  const slow = retry.run(async () => {
    if (++first > 1) return "slow";
    await noticed.promise;
    throw failure("Disconnected");
  });
  const fast = retry.run(() => {
    if (++second === 1) return Promise.reject(failure("Disconnected"));
    // Had the other counted it once more, that would be too long after the first.
    clock.forward(1_000);
    noticed.resolve();
    return second === 2 ? setImmediate().then(() => "fast") : Promise.reject(failure("Internal"));
  });
  assertEquals(await within(Promise.all([slow, fast])), ["slow", "fast"]);
});

Deno.test("Retry.run() ends its pause when what it repeats on is closed, and does not run again", async () => {
  const closing = new AbortController();
  const retry = new Retry({ closing: closing.signal });
  const operation = always("Disconnected");
  const running = assertFailsWith("Cancelled", () => retry.run(operation.run));
  await setImmediate();
  const began = performance.now();
  closing.abort();
  const error = await running;
  // The first pause takes 100 ms at least.
  assertLess(performance.now() - began, 95);
  assertStringIncludes(error.message, "the connection was closed");
  assertEquals(operation.attempts, 1);
  const later = failing("Disconnected");
  await assertFailsWith("Cancelled", () => retry.run(later.run));
  assert(later.attempts === 1, "nor is there a pause");
});
