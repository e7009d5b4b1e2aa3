import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { clientHelp } from "../../../lib/cli/client/client_help.ts";
import { CLIENT_SWITCHES, CLIENT_VALUES } from "../../../lib/cli/client/client_options.ts";
import { Exit } from "../../../lib/cli/terminal/exit.ts";

for (const columns of [40, 80, 120]) {
  Deno.test(`clientHelp() fits ${columns} columns and has every option and exit code`, () => {
    const text = clientHelp(columns);
    assertEquals(text.split("\n").filter((line) => line.length > columns), []);
    for (const name of [...CLIENT_SWITCHES, ...CLIENT_VALUES]) assertStringIncludes(text, `--${name}`);
    const [, codes = ""] = text.split("Exit codes:");
    for (const code of Object.values(Exit)) assert(codes.split(/\s+/).includes(String(code)), `${code}`);
  });
}
