import { assertEquals } from "@std/assert";
import { grid } from "../../../lib/cli/terminal/grid.ts";

Deno.test("grid() puts names below each other, in as many columns as fit", () => {
  const names = ["a", "bb", "天线", "d", "e"];
  assertEquals(grid(names, 10), "a     d\nbb    e\n天线\n");
  assertEquals(grid(names, 16), "a     天线  e\nbb    d\n");
  assertEquals(grid(names, 80), "a     bb    天线  d     e\n");
  assertEquals(grid(names, 1), "a\nbb\n天线\nd\ne\n");
  assertEquals(grid([], 80), "");
});
