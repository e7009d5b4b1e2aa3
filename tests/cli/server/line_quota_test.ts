import { assertEquals } from "@std/assert";
import { BURST_BYTES, BYTES_PER_SECOND, LineQuota } from "../../../lib/cli/server/line_quota.ts";
import { PEER } from "../../helpers/log_events.ts";

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
