import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { auditLine } from "../../lib/cli/server/audit.ts";
import { logLine } from "../../lib/cli/server/event_lines.ts";
import { BURST_BYTES, BYTES_PER_SECOND, LineQuota } from "../../lib/cli/server/line_quota.ts";
import { LineQueue } from "../../lib/cli/terminal/line_queue.ts";
import { cut, MAX_TEXT_BYTES } from "../../lib/cli/terminal/log_text.ts";
import { Observer } from "../../lib/cli/server/observer.ts";
import { quote } from "../../lib/core/text.ts";
import type { CommandEvent, ServerEvent } from "../../lib/access/events.ts";
import { tempDir } from "../helpers/temp.ts";

/** The longest line, as docs/security.md says it. */
const MAX_LINE_BYTES = 13 * 1024;

/** The longest record of a change in the audit log, as docs/security.md says it. */
const MAX_CHANGE_BYTES = 65 * 1024;

const PEER = "192.0.2.1:50000";

/** Texts that become as long as can be. */
const LONG = ["a", '"', "\\", "\0", "\u202e", "\u{e0041}", "天", "\ud800", "📡", "a\u009b"]
  .map((c) => c.repeat(Math.floor(65_000 / c.length)));

const COMMAND: CommandEvent = {
  event: "command",
  session: 4096,
  peer: PEER,
  role: "full",
  command: "stat",
  path: "a",
  bytes: 0,
  durationMs: 123456.789,
  outcome: "NotFound",
};

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

Deno.test("cut() leaves every path alone that a system can open, if nothing in it is escaped", () => {
  for (const path of ["a".repeat(4096), "天".repeat(1365), "📡".repeat(1024), "a/".repeat(2048), ""]) {
    assertEquals(cut(path), path);
  }
});

Deno.test("cut() bounds what a text takes when it is escaped, and says how much it has cut", () => {
  for (const text of LONG) {
    const kept = cut(text);
    const [, head = "", count] = /^(.*)… \((\d+) more characters\)$/su.exec(kept) ?? [];
    assertEquals(head.length + Number(count), text.length);
    assert(text.startsWith(head) && (head.isWellFormed() || !text.isWellFormed()));
    assert(head.length >= MAX_TEXT_BYTES / 8 - 1, `${head.length}`);
    for (const written of [quote(head), JSON.stringify(head)]) {
      assert(sizeOf(written) <= MAX_TEXT_BYTES + 2, `${sizeOf(written)}`);
    }
  }
});

Deno.test("logLine() and auditLine() are bounded, and valid JSON, whatever is in them", () => {
  for (const text of LONG) {
    const events: ServerEvent[] = [
      { ...COMMAND, command: "rename", path: text, to: text, detail: text },
      { event: "say", session: 1, peer: PEER, text },
      { event: "close", session: 1, peer: PEER, durationMs: 1, reason: text },
      { event: "warning", peer: PEER, message: text },
    ];
    for (const event of events) {
      assert(sizeOf(logLine(event, false)) <= MAX_LINE_BYTES);
      const json = logLine(event, true);
      assert(sizeOf(json) <= MAX_LINE_BYTES, `${sizeOf(json)}`);
      assertEquals(JSON.parse(json).event, event.event);
    }
    const refused = auditLine({ ...COMMAND, path: text, to: text, detail: text });
    assert(sizeOf(refused) <= MAX_LINE_BYTES);
    assertStringIncludes(JSON.parse(refused).path, "more characters");
    const done = auditLine({ ...COMMAND, command: "rename", path: text, to: text, outcome: "ok" });
    assert(sizeOf(done) <= MAX_CHANGE_BYTES, `${sizeOf(done)}`);
  }
});

Deno.test("auditLine() has the paths of a change whole, whatever the system lets them be", () => {
  for (const path of ["\u0001".repeat(4096), "\u202e".repeat(1365), '"'.repeat(4096)]) {
    const { path: from, to } = JSON.parse(auditLine({ ...COMMAND, command: "rename", path, to: path, outcome: "ok" }));
    assertEquals([from, to], [path, path]);
  }
});

/** How many of `count` lines of so many bytes each a quota lets through at a time. */
function taken(quota: LineQuota, peer: string, count: number, bytes: number, now: number): number {
  let lines = 0;
  for (let i = 0; i < count; i++) if (quota.take(peer, () => "x".repeat(bytes), false, now) !== undefined) lines++;
  return lines;
}

Deno.test("LineQuota lets 10,000 files be logged at once, bounds the rest, and counts what it leaves out", () => {
  const reports: [string, number][] = [];
  using quota = new LineQuota((network, lines) => reports.push([network, lines]));
  assertEquals(taken(quota, PEER, 10_000, 800, 0), 10_000);
  const most = BURST_BYTES / 1000;
  assertEquals(taken(quota, "192.0.2.2:1", 20_000, 1000, 0), Math.ceil(most));
  // The same network by other ports and addresses; another network has its own.
  assertEquals(taken(quota, "192.0.2.2:2", 10, 1000, 0), 0);
  assertEquals(taken(quota, "[2001:db8::1]:1", 20_000, 1000, 0), Math.ceil(most));
  assertEquals(taken(quota, "[2001:db8::ffff]:7", 10, 1000, 0), 0);
  assertEquals(taken(quota, "[2001:db8:0:1::1]:1", 10, 1000, 0), 10);
  // It comes back with time, but for what the last line had too many, and no more of it than there was.
  const later = Math.ceil((10 * BYTES_PER_SECOND - (1000 - BURST_BYTES % 1000)) / 1000);
  assertEquals(taken(quota, "192.0.2.2:3", 10_000, 1000, 10_000), later);
  assertEquals(taken(quota, "192.0.2.2:3", 20_000, 1000, 1e9), Math.ceil(most));
  quota[Symbol.dispose]();
  const leftOut = 20_000 - Math.ceil(most);
  assertEquals(reports.toSorted(), [
    ["192.0.2.2", leftOut + 10 + 10_000 - later + leftOut],
    ["2001:db8:0:0", leftOut + 10],
  ]);
  quota[Symbol.dispose]();
  assertEquals(reports.length, 2, "it is said once");
});

Deno.test("LineQuota never leaves out what must be kept, which counts, and makes no debt", () => {
  using quota = new LineQuota(() => {});
  const line = "x".repeat(1000);
  for (let i = 0; i < 100_000; i++) assertEquals(quota.take(PEER, () => line, true, 0), line);
  assertEquals(taken(quota, PEER, 10, 1000, 0), 0);
  assertEquals(taken(quota, PEER, 10, 1000, 16), 2, "some bytes have come back");
});

Deno.test("LineQuota keeps no more than 1,024 networks apart, and forgets those that were quiet", () => {
  using quota = new LineQuota(() => {});
  const peer = (i: number) => `10.${i >> 16}.${i >> 8 & 255}.${i & 255}:1`;
  for (let i = 0; i < 1024; i++) taken(quota, peer(i), 1, 1000, 0);
  // The others have one allowance together.
  assertEquals(taken(quota, peer(2000), 20_000, 1000, 0), Math.ceil(BURST_BYTES / 1000));
  assertEquals(taken(quota, peer(3000), 10, 1000, 0), 0);
  assertEquals(taken(quota, peer(0), 10, 1000, 0), 10);
  assertEquals(taken(quota, peer(4000), 20_000, 1000, 1e6), Math.ceil(BURST_BYTES / 1000));
});

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

Deno.test("Observer hides no change behind a flood, bounds both logs, and says how much is missing", async () => {
  await using place = await observed({ json: true });
  const { observer, queue } = place;
  const flood = { ...COMMAND, path: "\u202e".repeat(60_000) };
  for (let i = 0; i < 50_000; i++) {
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
  assertEquals(records.filter(({ address }) => address === other.peer).length, 1);
  const last = records.at(-1);
  assertEquals(last.address, "192.0.2.1");
  const written = records.filter(({ command, address }) => command === "stat" && address === PEER).length;
  assertEquals(last.leftOut, 50_000 + 2 - written);
  const log = place.log();
  assert(sizeOf(log.join("\n")) < 2 * BURST_BYTES);
  const { event, network, lines } = JSON.parse(log.at(-1) ?? "");
  const logged = log.filter((line) => line.includes(PEER)).length;
  assertEquals([event, network, lines], ["leftOut", "192.0.2.1", 50_000 + 4 - logged]);
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
