import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { grant } from "../../../lib/cli/terminal/grants.ts";
import { DENO, PROJECT } from "../../helpers/process.ts";
import { tempDir } from "../../helpers/temp.ts";

Deno.test("grant() gives an option that a shell takes as it is", () => {
  assertEquals(grant("read", ["./files", "it's"]), "--allow-read=./files,'it'\\''s'");
  assertEquals(grant("net", ["[::1]:7878"]), "--allow-net='[::1]:7878'");
});

Deno.test("requireAccess() and requireNet() name the option that is missing, before Deno could ask", async () => {
  await using dir = await tempDir();
  const [open, closed] = [dir.join("open"), dir.join("closed")];
  for (const path of [open, closed]) await Deno.mkdir(path);
  await Deno.writeTextFile(join(open, "file"), "");
  await Deno.symlink(closed, join(open, "link"));
  const script = `
    import { requireAccess, requireNet } from ${JSON.stringify(`file://${PROJECT}lib/cli/terminal/grants.ts`)};
    const open = ${JSON.stringify(open)};
    const calls = [
      () => requireAccess(open, "read", "write"),
      () => requireAccess(open + "/missing/too", "read", "write"),
      () => requireAccess(open + "/file", "read"),
      () => requireAccess(open + "/link", "read"),
      () => requireAccess(open + "/..", "read", "write"),
      () => requireNet("127.0.0.1:1"),
      () => requireNet("127.0.0.1:2"),
    ];
    for (const call of calls) {
      try {
        call();
        console.log("granted");
      } catch (error) {
        console.log(error.code + ": " + error.message);
      }
    }`;
  await Deno.writeTextFile(dir.join("script.ts"), script);
  const access = [`--allow-read=${open}`, `--allow-write=${open}`, "--allow-net=127.0.0.1:1"];
  const args = ["run", "--no-check", "--config", join(PROJECT, "deno.json"), ...access, dir.join("script.ts")];
  const { stdout } = await new Deno.Command(DENO, { args, stdin: "null" }).output();
  const needs = (path: string, names: string, options: string) =>
    `Refused: Cannot use "${path}": Deno does not let Ferry ${names} it; start the client with ${options}`;
  const { path } = dir;
  assertEquals(new TextDecoder().decode(stdout).trimEnd().split("\n"), [
    "granted",
    "granted",
    "granted",
    needs(closed, "read", `--allow-read=${closed}`),
    needs(path, "read and write", `--allow-read=${path} --allow-write=${path}`),
    "granted",
    'Refused: Cannot connect to "127.0.0.1:2": Deno does not let Ferry use it; start the client with --allow-net=127.0.0.1:2',
  ]);
});
