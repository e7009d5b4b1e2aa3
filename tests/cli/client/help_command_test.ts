import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { helpText } from "../../../lib/cli/client/help_command.ts";
import { namesOf, SHELL_COMMANDS } from "../../../lib/cli/client/shell_commands.ts";
import { runCommand } from "../../helpers/trees.ts";

for (const columns of [40, 80, 132]) {
  Deno.test(`helpText() fits ${columns} columns and has every name, option and example`, () => {
    const longest = (text: string) => Math.max(...text.split("\n").map((line) => line.length));
    const words = (text: string) => text.split(/\s+/).join(" ");
    const all = helpText(SHELL_COMMANDS, undefined, columns);
    assert(longest(all) <= columns, all);
    for (const command of SHELL_COMMANDS) {
      for (const name of namesOf(command)) assertStringIncludes(all, name);
      assertStringIncludes(words(all), words(command.summary));
      const one = helpText(SHELL_COMMANDS, command, columns);
      assert(longest(one) <= columns, one);
      for (const [line, meaning] of command.examples) {
        assertStringIncludes(words(one), line);
        assertStringIncludes(words(one), meaning);
      }
      for (const flag of command.flags ?? []) assertStringIncludes(one, `--${flag}`);
    }
  });
}

Deno.test("every command that takes arguments has two or three examples, and each begins with a name of it", () => {
  for (const command of SHELL_COMMANDS) {
    const { examples, parameters } = command;
    assert(parameters === "" || examples.length >= 2 && examples.length <= 3, command.name);
    for (const [line] of examples) assert(namesOf(command).includes(line.split(" ")[0] ?? ""), line);
  }
});

Deno.test("--help behind a command helps with it, without a server", async () => {
  const nowhere = { hostname: "127.0.0.1", port: 1 };
  const outputOf = async (...words: string[]) => {
    const { code, output, news } = await runCommand(nowhere, ".", words);
    assertEquals([code, news], [0, ""], words.join(" "));
    return output;
  };
  const get = await outputOf("help", "get");
  assertStringIncludes(get, "--retry-for");
  for (const words of [["get", "--help"], ["get", "-r", "a", "--help"]]) assertEquals(await outputOf(...words), get);
  assertEquals(await outputOf("ls", "--help"), await outputOf("help", "dir"));
  assertEquals(await outputOf("?"), await outputOf("help"));
  assertEquals((await runCommand(nowhere, ".", ["get", "--", "--help"])).code, 3);
  assertEquals((await runCommand(nowhere, ".", ["say", "use", "--help"])).code, 3);
});
