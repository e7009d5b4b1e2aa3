import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { Secret } from "../lib/net/secret.ts";
import { Guard } from "../lib/server/guard.ts";
import { failsWith, Served, within } from "./helpers/raw.ts";

const MINUTE_MS = 60_000;

/** How many failures are allowed within a minute. */
const ALLOWED = 5;

/** The delay is 1 s; timers may be a little early against the clock. */
const AT_LEAST_MS = 990;

/** With this signal a failure is counted and costs no time. */
const AT_ONCE = AbortSignal.abort();

/** A guard that has seen failures of one address at these times. */
async function guardAfter(address: string, times: readonly number[]): Promise<Guard> {
  const guard = new Guard();
  for (const time of times) await guard.fail(address, AT_ONCE, time);
  return guard;
}

/** The clock, moved forward until the end of the scope. */
function later(ms: number): Disposable {
  const original = performance.now;
  performance.now = () => original.call(performance) + ms;
  return { [Symbol.dispose]: () => void (performance.now = original) };
}

Deno.test("isBlocked() is false before the fifth failure and true after it, for this address only", async () => {
  const guard = new Guard();
  for (let i = 0; i < ALLOWED; i++) {
    assertEquals(guard.isBlocked("192.0.2.1", i), false, `after ${i} failures`);
    await guard.fail("192.0.2.1", AT_ONCE, i);
  }
  assert(guard.isBlocked("192.0.2.1", ALLOWED));
  assertEquals(guard.isBlocked("192.0.2.2", ALLOWED), false);
  assertEquals(guard.isBlocked("192.0.2.1x", ALLOWED), false);
});

Deno.test("isBlocked() counts all addresses of one IPv6 network as one, and an IPv4 address in either form", async () => {
  const guard = await guardAfter("2001:db8::1", [0, 0, 0, 0]);
  await guard.fail("2001:db8:0:0:1234::2", AT_ONCE, 0);
  assert(guard.isBlocked("2001:db8::ffff", 1) && guard.isBlocked("2001:db8::1", 1));
  assertEquals(guard.isBlocked("2001:db8:0:1::1", 1), false);
  const mapped = await guardAfter("::ffff:192.0.2.1", [0, 0, 0, 0, 0]);
  assert(mapped.isBlocked("192.0.2.1", 1));
  assertEquals(mapped.isBlocked("192.0.2.2", 1), false);
});

Deno.test("isBlocked() counts every failure for one minute", async () => {
  const guard = await guardAfter("a", [0, 10_000, 20_000, 30_000, 40_000]);
  assert(guard.isBlocked("a", MINUTE_MS - 1));
  assertEquals(guard.isBlocked("a", MINUTE_MS), false);
  await guard.fail("a", AT_ONCE, MINUTE_MS);
  assert(
    guard.isBlocked("a", MINUTE_MS + 9_999),
    "the failures of the last minute count, not those since it was blocked",
  );
  assertEquals(guard.isBlocked("a", MINUTE_MS + 10_000), false);
  assertEquals(guard.isBlocked("a", 10 * MINUTE_MS), false);
});

Deno.test("isBlocked() looks at the last minute, and what comes while it is blocked does not make it longer", async () => {
  const guard = await guardAfter("a", Array.from({ length: 1000 }, (_, i) => i));
  assert(guard.isBlocked("a", MINUTE_MS - 1));
  assertEquals(guard.isBlocked("a", MINUTE_MS), false);
});

Deno.test("fail() counts before it waits, so that attempts at the same time are not free", async () => {
  const guard = new Guard();
  const stop = new AbortController();
  const waiting = Array.from({ length: ALLOWED }, () => guard.fail("a", stop.signal, 0));
  assert(guard.isBlocked("a", 1));
  stop.abort();
  await within(Promise.all(waiting), "the end of the delays");
});

Deno.test("fail() takes a second, and ends at once with its signal", async () => {
  const began = performance.now();
  await new Guard().fail("a", new AbortController().signal);
  assertGreater(performance.now() - began, AT_LEAST_MS);
  const stop = new AbortController();
  const guard = new Guard();
  const failing = guard.fail("a", stop.signal);
  const aborted = performance.now();
  stop.abort();
  await failing;
  assertLess(performance.now() - aborted, AT_LEAST_MS);
});

Deno.test("fail() remembers ten thousand addresses and forgets the one that failed longest ago", async () => {
  const guard = await guardAfter("first", Array.from({ length: ALLOWED }, () => 0));
  for (let i = 0; i < ALLOWED; i++) await guard.fail("second", AT_ONCE, 0);
  for (let i = 0; i < 9_998; i++) await guard.fail(`address ${i}`, AT_ONCE, 0);
  assert(guard.isBlocked("first", 1));
  // The first one has failed again since, so the second one is now the oldest.
  await guard.fail("first", AT_ONCE, 0);
  await guard.fail("one more", AT_ONCE, 0);
  assert(guard.isBlocked("first", 1));
  assertEquals(guard.isBlocked("second", 1), false);
});

Deno.test("serve() refuses the sixth attempt of an address within a minute although its secret is right", async () => {
  const secret = Secret.create();
  await using served = await Served.with({ "a.txt": "a" }, { secret });
  const began = performance.now();
  const wrong = Array.from(
    { length: ALLOWED },
    () => failsWith(served.connect({ secret: Secret.create() }), "Unauthorized"),
  );
  const [first] = await Promise.all(wrong);
  assertGreater(performance.now() - began, AT_LEAST_MS);
  const sixthBegan = performance.now();
  const sixth = await failsWith(served.connect({ secret }), "Unauthorized");
  assertGreater(performance.now() - sixthBegan, AT_LEAST_MS);
  assertEquals(sixth.message, first?.message);
  assertEquals(served.events.of("command"), []);
  using _clock = later(MINUTE_MS);
  await using client = await served.connect({ secret });
  assertEquals((await client.stat("a.txt")).size, 1);
});

Deno.test("serve() does not count right secrets, and lets those who are in stay when their address is blocked", async () => {
  const secret = Secret.create();
  await using served = await Served.with({ "a.txt": "a" }, { secret });
  for (let i = 0; i < 2 * ALLOWED; i++) await (await served.connect({ secret })).close();
  await using client = await served.connect({ secret });
  await Promise.all(
    Array.from({ length: ALLOWED }, () => failsWith(served.connect({ secret: Secret.create() }), "Unauthorized")),
  );
  assertEquals((await client.stat("a.txt")).size, 1);
});

Deno.test("serve() ends at once while wrong secrets are being answered", async () => {
  const waiting = Promise.withResolvers<void>();
  const original = Guard.prototype.fail;
  Guard.prototype.fail = function (...args) {
    const failing = original.apply(this, args);
    waiting.resolve();
    return failing;
  };
  try {
    await using served = await Served.with({}, { secret: Secret.create() });
    const trying = served.connect({ secret: Secret.create() }).then(() => "in", () => "refused");
    await within(waiting.promise, "the wrong secret");
    const began = performance.now();
    await served.server[Symbol.asyncDispose]();
    assertLess(performance.now() - began, AT_LEAST_MS / 2);
    assertEquals(await within(trying), "refused");
  } finally {
    Guard.prototype.fail = original;
  }
});
