import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { BURST_BYTES } from "../../../lib/cli/server/line_quota.ts";
import { LineQueue } from "../../../lib/cli/terminal/line_queue.ts";
import { Observer } from "../../../lib/cli/server/observer.ts";
import type { CommandEvent, LoginEvent } from "../../../lib/access/events.ts";
import { MovedClock } from "../../helpers/clock.ts";
import { tempDir } from "../../helpers/temp.ts";
import { COMMAND, PEER, sizeOf } from "../../helpers/log_events.ts";

/** An observer with an audit log, and all that it wrote. */
async function observed(options: { json: boolean; quiet?: boolean }) {
  const dir = await tempDir();
  const audit = join(dir.path, "audit");
  const written: string[] = [];
  const queue = new LineQueue({
    write(bytes) {
      written.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  });
  const observer = new Observer({ quiet: false, policy: {}, audit, ...options }, queue);
  return {
    observer,
    queue,
    log: () => written.join("").split("\n").slice(0, -1),
    records: () => Deno.readTextFileSync(audit).split("\n").slice(0, -1).map((line) => JSON.parse(line)),
    async [Symbol.asyncDispose]() {
      observer[Symbol.dispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Fails unless records end with how many lines are missing; a slow machine may have been told of some of them before. */
function assertLeftOut(records: Record<string, unknown>[], lines: number): void {
  assertEquals({ ...records.at(-1), time: "", lines: 0 }, {
    time: "",
    event: "leftOut",
    network: "192.0.2.1",
    lines: 0,
  });
  const told = records.filter(({ event }) => event === "leftOut").map((record) => Number(record.lines));
  assertEquals(told.reduce((sum, n) => sum + n, 0), lines);
}

Deno.test("Observer hides no change behind a flood, bounds both logs, and says how much is missing", async () => {
  // The allowance grows with time, of which a busy machine takes more.
  using _clock = new MovedClock(false);
  await using place = await observed({ json: true });
  const { observer, queue } = place;
  const flood = { ...COMMAND, path: "\u202e".repeat(60_000) };
  const many = 50_000;
  for (let i = 1; i <= many; i++) {
    observer.onEvent(flood);
    if (i % 100 === 0) await queue.drained();
  }
  const other = { ...COMMAND, peer: "192.0.2.99:1" };
  observer.onEvent(other);
  const hidden: CommandEvent = { ...COMMAND, command: "remove", path: "wanted", outcome: "ok" };
  observer.onEvent(hidden);
  // Its answer did not arrive, but perhaps it was done.
  observer.onEvent({ ...hidden, path: "perhaps", outcome: "Disconnected" });
  observer.onEvent({ ...hidden, path: "not there", outcome: "NotFound" });
  observer.onEvent({ ...hidden, role: "read", path: "may not", outcome: "Refused" });
  observer[Symbol.dispose]();
  await queue.drained();
  const records = place.records();
  const bytes = sizeOf(records.map((record) => JSON.stringify(record)).join());
  assert(bytes < 2 * BURST_BYTES, `${bytes}`);
  const changes = records.filter(({ command }) => command === "remove").map(({ path }) => path);
  assertEquals(changes, ["wanted", "perhaps"]);
  assertEquals(records.filter(({ peer }) => peer === other.peer).length, 1);
  const written = records.filter(({ command, peer }) => command === "stat" && peer === PEER).length;
  assertLeftOut(records, many + 2 - written);
  const log = place.log();
  assert(sizeOf(log.join("\n")) < 2 * BURST_BYTES);
  const logged = log.filter((line) => line.includes(PEER)).length;
  assertLeftOut(log.map((line) => JSON.parse(line)), many + 4 - logged);
});

Deno.test("Observer writes failed logins into the audit log only, and no flood of them fills it or hides a change", async () => {
  await using place = await observed({ json: true });
  const { observer, queue } = place;
  const failure = { durationMs: 12.5, outcome: "Unauthorized", detail: "wrong" } as const;
  const login: LoginEvent = { event: "login", session: 7, peer: PEER, ...failure };
  const many = 100_000;
  for (let i = 0; i < many; i++) observer.onEvent(login);
  const change: CommandEvent = { ...COMMAND, command: "remove", path: "wanted", outcome: "ok" };
  observer.onEvent(change);
  observer.onEvent({ ...login, peer: "192.0.2.99:1" });
  observer[Symbol.dispose]();
  await queue.drained();
  const records = place.records();
  assert(sizeOf(records.map((record) => JSON.stringify(record)).join()) < 1.25 * BURST_BYTES);
  const [first] = records;
  assertEquals(first, { ...first, event: "login", session: 7, peer: PEER, ...failure });
  assertEquals(Object.keys(first).sort(), ["detail", "durationMs", "event", "outcome", "peer", "session", "time"]);
  const written = records.filter(({ event, peer }) => event === "login" && peer === PEER).length;
  assert(written < many);
  const rest = records.slice(written).map((
    { event, peer, network, path, lines },
  ) => [event, peer ?? network, path ?? lines]);
  assertEquals(rest, [
    ["command", PEER, "wanted"],
    ["login", "192.0.2.99:1", undefined],
    ["leftOut", "192.0.2.1", many - written],
  ]);
  assertEquals(place.log().map((line) => JSON.parse(line).event), ["command"]);
});

Deno.test("Observer logs the end of each session whose beginning is in the log, and of no other", async () => {
  await using place = await observed({ json: true });
  const { observer, queue } = place;
  const begin = (session: number) => observer.onEvent({ event: "open", session, peer: PEER });
  const end = (session: number) => observer.onEvent({ event: "close", session, peer: PEER, durationMs: 1 });
  for (const session of [1, 2, 3]) begin(session);
  end(2);
  for (let i = 0; i < 5000; i++) {
    observer.onEvent({ ...COMMAND, path: "p".repeat(4000) });
    if (i % 100 === 0) await queue.drained();
  }
  for (const session of [4, 5]) begin(session);
  for (const session of [1, 4, 3, 5]) end(session);
  await queue.drained();
  const events = place.log().map((line) => JSON.parse(line)).filter(({ event }) => ["open", "close"].includes(event));
  const told = events.map(({ event, session }) => `${event} ${session}`);
  assertEquals(told, ["open 1", "open 2", "open 3", "close 2", "close 1", "close 3"]);
});

Deno.test("Observer logs a tree of 10,000 files with long names whole", async () => {
  await using place = await observed({ json: true });
  for (let i = 0; i < 10_000; i++) {
    const path = `${"directory/".repeat(40)}${i}`;
    place.observer.onEvent({ ...COMMAND, command: "put", path, bytes: 100, outcome: "ok" });
    if (i % 100 === 0) await place.queue.drained();
  }
  place.observer[Symbol.dispose]();
  await place.queue.drained();
  assertEquals([place.log().length, place.records().length], [10_000, 10_000]);
});

Deno.test("Observer counts connections that fail to encrypt as their network's, and says it in text", async () => {
  await using place = await observed({ json: false, quiet: true });
  const message = `${PEER} did not complete the encryption: ${"x".repeat(3000)}`;
  for (let i = 0; i < 5000; i++) {
    place.observer.onEvent({ event: "warning", peer: PEER, message });
    if (i % 50 === 0) await place.queue.drained();
  }
  place.observer.onEvent({ event: "warning", message: "Cannot clean up: x" });
  place.observer[Symbol.dispose]();
  await place.queue.drained();
  const log = place.log();
  assert(log.length < 3000);
  assertMatch(log.at(-2) ?? "", / warning: Cannot clean up: x$/);
  assertMatch(log.at(-1) ?? "", /Z 192\.0\.2\.1 caused too many lines: \d+ were left out$/);
});
