import { assert, assertEquals, assertMatch } from "@std/assert";
import { activityOf } from "../../../lib/cli/server/operator.ts";
import { eventually } from "../../helpers/process.ts";
import { bytes } from "../../helpers/random.ts";
import { RawPeer, Served } from "../../helpers/raw.ts";

Deno.test("activityOf() says what a session does, how far it has come, and how fast", async () => {
  await using served = await Served.with({ "big.bin": new Uint8Array(64 * 1024 * 1024) });
  using peer = await RawPeer.greeted(served.address);
  const [session] = served.server.sessions;
  assert(session);
  assertEquals(activityOf(session), "idle");
  const name = 'a\u001b[2J\u202e"b';
  await peer.sendAll(["request", { command: "put", path: name, size: 1000, offset: 0 }], ["data", bytes(250)]);
  await eventually("some bytes have come", () => session.operation?.bytes === 250);
  assertEquals(activityOf(session), String.raw`put "a\u{1b}[2J\u{202e}\"b" 25 % (250 B of 1 kB) 0 B/s`);
  session.checkDeadlines(performance.now());
  assertMatch(activityOf(session), / 25 % \(250 B of 1 kB\) [1-9][\d.]* k?B\/s$/);
  session.checkDeadlines(performance.now() + 1000);
  assertMatch(activityOf(session), / 0 B\/s$/, "nothing moves any more");
  await peer.sendAll(["data", bytes(750)], ["end", { size: 1000 }]);
  assertEquals((await peer.answer()).outcome, "ok");
  await eventually("it has been answered", () => activityOf(session) === "idle");
  // Nobody reads it, so that the system takes only some of it.
  await peer.send("request", { command: "get", path: "big.bin", offset: 1024 * 1024 });
  await eventually("it is being sent", () => (session.operation?.bytes ?? 0) > 0);
  assertMatch(activityOf(session), /^get "big\.bin" \d+ % \(\S+ [kM]?B of 66\.1 MB\) /);
});
