import { assertEquals } from "@std/assert";
import { Exit, exitCode } from "../../../lib/cli/terminal/exit.ts";
import { ERROR_CODES } from "../../../lib/core/errors.ts";

Deno.test("exitCode() has the documented codes and fails for everything else", () => {
  const special = {
    Unreachable: 3,
    Disconnected: 3,
    Refused: 4,
    Unauthorized: 4,
    Kicked: 4,
    NotFound: 5,
    Corrupt: 6,
    Cancelled: 130,
  };
  for (const code of ERROR_CODES) {
    const expected = new Map<string, number>(Object.entries(special)).get(code) ?? 1;
    assertEquals(exitCode(code), expected, code);
  }
  assertEquals([Exit.done, Exit.failed, Exit.usage], [0, 1, 2]);
});
