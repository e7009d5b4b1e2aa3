import { assert, assertEquals } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";
import { bytes, clock, Columns, fit, localTime, took } from "../../../lib/cli/terminal/format.ts";
import type { Entry } from "../../../lib/core/metadata.ts";
import { NASTY, UNSAFE } from "../../helpers/nasty.ts";

const CHINESE = "天线 测试 报告.pdf";

Deno.test("bytes() shows sizes for people", () => {
  const sizes = [0, 1, 999, 1000, 1500, 20_000_000, 2_500_000_000].map(bytes);
  assertEquals(sizes, ["0 B", "1 B", "999 B", "1 kB", "1.5 kB", "20 MB", "2.5 GB"]);
  assertEquals(bytes(12.7), "13 B");
});

Deno.test("localTime() shows the local time to the minute", () => {
  assertEquals(localTime(new Date(2026, 10, 20, 9, 5, 59, 999).getTime()), "2026-11-20 09:05");
  assertEquals(localTime(new Date(2026, 0, 1, 0, 0).getTime()), "2026-01-01 00:00");
});

Deno.test("clock() shows minutes and seconds, and hours if there are any", () => {
  const times = [0, 6.2, 7, 59, 59.5, 60, 725, 3599, 3600, 10921].map(clock);
  const expected = ["0:00", "0:07", "0:07", "0:59", "1:00", "1:00", "12:05", "59:59", "1:00:00", "3:02:01"];
  assertEquals(times, expected);
});

Deno.test("took() shows durations in the unit that fits", () => {
  assertEquals([0, 0.4, 35, 999].map(took), ["0 ms", "0 ms", "35 ms", "999 ms"]);
  assertEquals([1000, 2100, 59_000, 60_000, 182_000].map(took), ["1.0 s", "2.1 s", "59.0 s", "1:00", "3:02"]);
});

Deno.test("took() rounds up into the next unit", () => {
  assertEquals([999.6, 59_960].map(took), ["1.0 s", "1:00"]);
});

Deno.test("fit() leaves what fits and cuts the rest at a whole character", () => {
  assertEquals(fit("abc", 3), "abc");
  assertEquals(fit("abcd", 3), "ab…");
  assertEquals(fit("天线", 4), "天线");
  assertEquals(fit("天线测", 5), "天线…");
  assertEquals(fit("天线测", 4), "天…");
  assertEquals(fit("📡📡", 3), "📡…");
  assertEquals(fit("a📡b", 3), "a…");
});

Deno.test("fit() never takes more columns than it may", () => {
  for (const text of ["plain ascii name.txt", CHINESE, "📡 antenna.png", "Измерения.csv", "e\u0301a\u0301b天"]) {
    for (let columns = 1; columns <= unicodeWidth(text) + 1; columns++) {
      const shown = fit(text, columns);
      assert(unicodeWidth(shown) <= columns, `${columns}: ${shown}`);
      assert(shown.isWellFormed(), `${columns}: ${shown}`);
    }
  }
});

function entry(path: string, size: number, kind: "file" | "directory" = "file"): Entry {
  return { kind, path, size, mtimeMs: new Date(2026, 10, 20, 9, 51).getTime() };
}

Deno.test("Columns.lines() aligns sizes to the right and marks directories", () => {
  assertEquals(
    new Columns().lines([entry("a.txt", 5), entry("天线", 0, "directory"), entry("b", 12345)]),
    "    5  2026-11-20 09:51  a.txt\n    -  2026-11-20 09:51  天线/\n12345  2026-11-20 09:51  b\n",
  );
  assertEquals(new Columns().lines([]), "");
});

Deno.test("Columns.lines() says of what is not served why, on one line", () => {
  const other = { ...entry("a", 0), kind: "other" } as const;
  assertEquals(new Columns().lines([{ ...other, reason: "a pipe" }]), "-  2026-11-20 09:51  a (a pipe)\n");
  const line = new Columns().lines([{ ...other, reason: NASTY }]);
  assert(!UNSAFE.test(line.slice(0, -1)), line);
});

Deno.test("Columns.lines() keeps the column as wide as in the batch before", () => {
  const columns = new Columns();
  columns.lines([entry("a", 1000)]);
  assertEquals(columns.lines([entry("b", 1)]), "   1  2026-11-20 09:51  b\n");
  assertEquals(columns.lines([entry("c", 10000)]), "10000  2026-11-20 09:51  c\n");
});

Deno.test("Columns.lines() shows a name on one line, whatever is in it", () => {
  const line = new Columns().lines([entry(NASTY, 1)]);
  assert(line.endsWith("b\n"));
  assert(!UNSAFE.test(line.slice(0, -1)), line);
});
