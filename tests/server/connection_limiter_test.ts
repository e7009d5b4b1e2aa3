import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ConnectionLimiter, type Evictable } from "../../lib/server/connection_limiter.ts";
import { FerryError } from "../../lib/core/errors.ts";

/** One that is idle since then, or at work. */
function session(idleSince?: number): Evictable & { readonly reasons: string[] } {
  const reasons: string[] = [];
  return { idleSince: () => idleSince, reasons, refuse: ({ code }) => void reasons.push(code) };
}

Deno.test("ConnectionLimiter lets somebody from elsewhere in when it is full, for the idlest of the busiest network", () => {
  const limiter = new ConnectionLimiter({ connections: 8, connectionsPerAddress: 8 });
  const idle = [session(300), session(100), session(), session(200), session(400)];
  const leaves = idle.map((each) => limiter.enter("192.0.2.1", each));
  const few = [session(1), session(2), session(3)];
  for (const each of few) limiter.enter("192.0.2.2", each);
  // The busiest network itself, and those who would have half as many or more, have to wait.
  assertThrows(() => limiter.enter("192.0.2.1", session()), FerryError, "8 connections");
  assertThrows(() => limiter.enter("192.0.2.2", session()), FerryError, "8 connections");
  limiter.enter("192.0.2.3", session());
  assertEquals(idle.map(({ reasons }) => reasons.join()), ["", "Busy", "", "", ""]);
  // Four are left, which is not more than twice as many as this one would have.
  assertThrows(() => limiter.enter("192.0.2.3", session()), FerryError, "8 connections");
  limiter.enter("192.0.2.4", session());
  assertEquals(idle.map(({ reasons }) => reasons.join()), ["", "Busy", "", "Busy", ""]);
  // Those that had to make room are not counted down again when they have ended.
  for (const leave of leaves) leave();
  for (let i = 0; i < 3; i++) limiter.enter("192.0.2.5", session());
  assertEquals(few.flatMap(({ reasons }) => reasons), []);
  limiter.enter("192.0.2.6", session());
  assertEquals(few.map(({ reasons }) => reasons.join()), ["Busy", "", ""]);
});

Deno.test("ConnectionLimiter ends nobody who is at work", () => {
  const limiter = new ConnectionLimiter({ connections: 4, connectionsPerAddress: 4 });
  const busy = Array.from({ length: 4 }, () => session());
  for (const each of busy) limiter.enter("192.0.2.1", each);
  assertThrows(() => limiter.enter("192.0.2.2", session()), FerryError, "4 connections");
  assertEquals(busy.flatMap(({ reasons }) => reasons), []);
});

Deno.test("ConnectionLimiter counts all and each network, and counts down", () => {
  const limiter = new ConnectionLimiter({ connections: 3, connectionsPerAddress: 2 });
  const leaves = ["192.0.2.1", "192.0.2.1"].map((address) => limiter.enter(address, session()));
  const { code, message } = assertThrows(() => limiter.enter("192.0.2.1", session()), FerryError);
  assertEquals([code, message], [
    "Busy",
    "the server's limit of 2 connections from one address is reached; try again later",
  ]);
  leaves.push(limiter.enter("2001:db8::1", session()));
  assertStringIncludes(
    assertThrows(() => limiter.enter("192.0.2.9", session()), FerryError).message,
    "limit of 3 connections is reached",
  );
  for (const leave of leaves) leave();
  const again = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map((address) => limiter.enter(address, session()));
  assertThrows(() => limiter.enter("192.0.2.3", session()), FerryError, "3 connections");
  for (const leave of again) leave();
});
