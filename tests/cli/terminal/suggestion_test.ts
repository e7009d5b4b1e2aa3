import { assertEquals } from "@std/assert";
import { didYouMean } from "../../../lib/cli/terminal/suggestion.ts";
import { namesOf, SHELL_COMMANDS } from "../../../lib/cli/client/shell_commands.ts";
import { scene } from "../../helpers/scene.ts";

const NAMES = SHELL_COMMANDS.flatMap(namesOf);

for (
  const [typed, meant] of [
    ["gte", "get"],
    ["pu", "put"],
    ["dirr", "dir"],
    ["renme", "rename"],
    ["hlep", "help"],
    ["GET", ""],
    ["xyz", ""],
    ["frobnicate", ""],
    ["", ""],
    ["x".repeat(3e6), ""],
  ] as const
) {
  Deno.test(`didYouMean() suggests ${meant || "nothing"} for ${typed.slice(0, 20)}`, () => {
    assertEquals(didYouMean(typed, NAMES), meant && `; did you mean "${meant}"?`);
  });
}

Deno.test("execute() suggests the command and the option that were meant, and says where others belong", async () => {
  await using place = await scene({});
  for (
    const [words, said] of [
      ["gte a", 'There is no command gte; did you mean "get"?'],
      ["frob", 'There is no command frob; "help" lists them'],
      ["get --recusive a", 'The option "--recusive" does not exist for get; did you mean "--recursive"?'],
      ["rm --frob=1 a", 'The option "--frob=1" does not exist for remove'],
      ["get a --insecure", '"--insecure" is no option of get, but of the client: it belongs before the command'],
      ["help gte", 'There is no command gte; did you mean "get"?'],
    ] as const
  ) assertEquals((await place.run(words, 2)).news, said);
});
