import { assertEquals, assertThrows } from "@std/assert";
import { parsePort } from "../../../lib/cli/terminal/options.ts";
import { UsageError } from "../../../lib/cli/terminal/usage.ts";

Deno.test("parsePort() takes 0 to 65535 and nothing else", () => {
  assertEquals([parsePort("0"), parsePort("7878"), parsePort("65535")], [0, 7878, 65535]);
  for (const text of ["", "65536", "99999", "100000", "-1", "+1", " 80", "8e1", "0x50", "80 ", "1.0", "٨٠", "http"]) {
    assertThrows(() => parsePort(text), UsageError, "is not a port");
  }
});
