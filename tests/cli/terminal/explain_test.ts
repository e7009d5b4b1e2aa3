import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { explain } from "../../../lib/cli/terminal/explain.ts";
import { UsageError } from "../../../lib/cli/terminal/usage.ts";
import { cannot, FerryError } from "../../../lib/core/errors.ts";

/** What `explain` says while FERRY_DEBUG has a value. */
function debugging<T>(value: string, run: () => T): T {
  const before = Deno.env.get("FERRY_DEBUG");
  Deno.env.set("FERRY_DEBUG", value);
  try {
    return run();
  } finally {
    if (before === undefined) Deno.env.delete("FERRY_DEBUG");
    else Deno.env.set("FERRY_DEBUG", before);
  }
}

const UNEXPECTED = 'Cannot get "a.txt": an unexpected error happened';

function unexpected(): FerryError {
  return cannot("get", "a.txt", new RangeError("the reason\u001b[2J"));
}

Deno.test("explain() shows the beginning of what caused an unexpected error, safe to print, and says how to see more", () => {
  const { message, code } = debugging("", () => explain(unexpected()));
  assertEquals([message, code], [`${UNEXPECTED} (the reason\\u{1b}[2J; to see more, set FERRY_DEBUG=1)`, 1]);
  const long = cannot("get", "a.txt", new RangeError("x".repeat(1e6)));
  const cut = debugging("", () => explain(long)).message;
  assertEquals(cut, `${UNEXPECTED} (${"x".repeat(256)}…; to see more, set FERRY_DEBUG=1)`);
});

Deno.test("explain() shows stack and cause with FERRY_DEBUG=1, nothing of it raw", () => {
  const { message, code } = debugging("1", () => explain(unexpected()));
  assertEquals(code, 1);
  const [first, ...rest] = message.split("\n");
  assertEquals(first, UNEXPECTED);
  assertStringIncludes(rest.join("\n"), "RangeError: the reason\\u{1b}[2J");
  assertMatch(rest.join("\n"), /\n\s+at .*explain_test\.ts:\d+/);
  assert(!message.includes("\u001b"), message);
});

Deno.test("explain() begins no line with what a message has after a line break, with FERRY_DEBUG=1 either", () => {
  const texts = ["no\nGot it", "a", "\n", "no\r\n    at once", "E\nr"];
  for (const text of texts) {
    const cause = new FerryError("NotFound", text, { cause: new RangeError(text, { cause: text }) });
    for (const thrown of [cause, cannot("get", "a\nb", cause)]) {
      const { message } = debugging("1", () => explain(thrown));
      for (const line of message.split("\n").slice(1)) {
        assertMatch(line, /^ {2}(FerryError: |RangeError: |Caused by:$|"| {4}at .*:\d+:\d+\)?$)/);
      }
      assertStringIncludes(message, "Caused by:\n  RangeError: ");
      assertMatch(message, /explain_test\.ts:\d+/);
    }
  }
  const endless = new Error("again");
  endless.cause = endless;
  assert(debugging("1", () => explain(endless)).message.split("again").length < 20);
});

Deno.test("explain() adds nothing to what was expected to happen", () => {
  const missing = cannot("get", "a.txt", new FerryError("NotFound", "no such file or directory"));
  const failures: [thrown: unknown, message: string, code: number][] = [
    [missing, missing.message, 5],
    [new FerryError("Internal", "the server's own words"), "the server's own words", 1],
    [new UsageError("write \u001b[2J"), "write \\u{1b}[2J", 2],
  ];
  for (const value of ["", "0"]) {
    for (const [thrown, message, code] of failures) {
      assertEquals(debugging(value, () => explain(thrown)), { message, code });
    }
  }
});

Deno.test("explain() takes anything that is thrown", () => {
  for (const thrown of [undefined, null, "text", new TypeError("text")]) {
    assertStringIncludes(explain(thrown).message, "an unexpected error happened");
  }
});
