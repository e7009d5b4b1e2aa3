import { assert, assertEquals, assertLess } from "@std/assert";
import { parsePattern } from "../../../lib/cli/client/patterns.ts";
import { assertThrowsCode } from "../../helpers/failures.ts";

Deno.test("parsePattern() takes milliseconds for a name that is made to take long", () => {
  const pattern = parsePattern("logs/*a*a*a*a*b");
  assert(pattern);
  const began = performance.now();
  assertEquals(pattern.matches("a".repeat(255)), false);
  // A regular expression takes 12 s.
  assertLess(performance.now() - began, 1000);
});

Deno.test("parsePattern() leaves it to matches() to say that a pattern makes no sense", () => {
  const pattern = parsePattern("[z-a]");
  assert(pattern);
  assertThrowsCode("BadRequest", () => pattern.matches("z"));
});
