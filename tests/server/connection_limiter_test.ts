import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ConnectionLimiter, type Guest } from "../../lib/server/connection_limiter.ts";
import { FerryError } from "../../lib/core/errors.ts";

/** One that is idle since then, or at work. */
function guest(idleSince?: number): Guest & { readonly reasons: string[] } {
  const reasons: string[] = [];
  return { idleSince: () => idleSince, reasons, refuse: ({ code }) => void reasons.push(code) };
}

Deno.test("ConnectionLimiter lets somebody from elsewhere in when it is full, for the idlest of the largest crowd", () => {
  const admission = new ConnectionLimiter({ connections: 8, connectionsPerAddress: 8 });
  const idle = [guest(300), guest(100), guest(), guest(200), guest(400)];
  const leaves = idle.map((each) => admission.enter("192.0.2.1", each));
  const few = [guest(1), guest(2), guest(3)];
  for (const each of few) admission.enter("192.0.2.2", each);
  // The crowd itself, and those who would have half as many or more, have to wait.
  assertThrows(() => admission.enter("192.0.2.1", guest()), FerryError, "8 connections");
  assertThrows(() => admission.enter("192.0.2.2", guest()), FerryError, "8 connections");
  admission.enter("192.0.2.3", guest());
  assertEquals(idle.map(({ reasons }) => reasons.join()), ["", "Busy", "", "", ""]);
  // Four are left, which is not more than twice as many as this one would have.
  assertThrows(() => admission.enter("192.0.2.3", guest()), FerryError, "8 connections");
  admission.enter("192.0.2.4", guest());
  assertEquals(idle.map(({ reasons }) => reasons.join()), ["", "Busy", "", "Busy", ""]);
  // Those that had to make room are not counted down again when they have ended.
  for (const leave of leaves) leave();
  for (let i = 0; i < 3; i++) admission.enter("192.0.2.5", guest());
  assertEquals(few.flatMap(({ reasons }) => reasons), []);
  admission.enter("192.0.2.6", guest());
  assertEquals(few.map(({ reasons }) => reasons.join()), ["Busy", "", ""]);
});

Deno.test("ConnectionLimiter ends nobody who is at work", () => {
  const admission = new ConnectionLimiter({ connections: 4, connectionsPerAddress: 4 });
  const busy = Array.from({ length: 4 }, () => guest());
  for (const each of busy) admission.enter("192.0.2.1", each);
  assertThrows(() => admission.enter("192.0.2.2", guest()), FerryError, "4 connections");
  assertEquals(busy.flatMap(({ reasons }) => reasons), []);
});

Deno.test("ConnectionLimiter counts all and each network, and counts down", () => {
  const admission = new ConnectionLimiter({ connections: 3, connectionsPerAddress: 2 });
  const leaves = ["192.0.2.1", "192.0.2.1"].map((address) => admission.enter(address, guest()));
  const { code, message } = assertThrows(() => admission.enter("192.0.2.1", guest()), FerryError);
  assertEquals([code, message], [
    "Busy",
    "the server's limit of 2 connections from one address is reached; try again later",
  ]);
  leaves.push(admission.enter("2001:db8::1", guest()));
  assertStringIncludes(
    assertThrows(() => admission.enter("192.0.2.9", guest()), FerryError).message,
    "limit of 3 connections is reached",
  );
  for (const leave of leaves) leave();
  const again = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map((address) => admission.enter(address, guest()));
  assertThrows(() => admission.enter("192.0.2.3", guest()), FerryError, "3 connections");
  for (const leave of again) leave();
});
