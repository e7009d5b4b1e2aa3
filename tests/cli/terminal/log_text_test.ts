import { assert, assertEquals } from "@std/assert";
import { cut, MAX_TEXT_BYTES } from "../../../lib/cli/terminal/log_text.ts";
import { quote } from "../../../lib/core/text.ts";
import { LONG, sizeOf } from "../../helpers/log_events.ts";

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
