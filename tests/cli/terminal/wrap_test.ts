import { assertEquals } from "@std/assert";
import { fitHelp, table, wrap } from "../../../lib/cli/terminal/wrap.ts";

Deno.test("wrap() breaks between words, and leaves a longer word whole", () => {
  assertEquals(wrap("a bb ccc", 4), ["a bb", "ccc"]);
  assertEquals(wrap("a bb ccc", 8), ["a bb ccc"]);
  assertEquals(wrap("longer a", 3), ["longer", "a"]);
  assertEquals(wrap("", 3), [""]);
});

const ROWS = [["-r", "include everything below"], ["--x", "do"]] as const;

Deno.test("table() puts columns side by side where there is room, and below each other where not", () => {
  assertEquals(table(ROWS, 80), "  -r   include everything below\n  --x  do\n");
  assertEquals(table(ROWS, 24), "  -r\n    include everything\n    below\n  --x\n    do\n");
});

Deno.test("table() gives what is long on the left a line of its own", () => {
  const long = "dir [-r] [-t | -S] [-x] [NAME...]";
  assertEquals(
    table([...ROWS, [long, "list"]], 80),
    `  -r   include everything below\n  --x  do\n  ${long}\n       list\n`,
  );
});

const HELP = `Does what
it says.

Options:
  --help
  --name NAME, --other OTHER  what has
                 two lines
  -x          short`;

Deno.test("fitHelp() wraps text, and lines of tables with what goes on below them", () => {
  assertEquals(fitHelp(HELP, 80).split("\n"), [
    "Does what it says.",
    "",
    "Options:",
    "  --help",
    "  --name NAME, --other OTHER",
    "          what has two lines",
    "  -x      short",
    "",
  ]);
  assertEquals(fitHelp(HELP, 24).split("\n"), [
    "Does what it says.",
    "",
    "Options:",
    "  --help",
    "  --name NAME, --other",
    "  OTHER",
    "    what has two lines",
    "  -x",
    "    short",
    "",
  ]);
});
