import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { clientInTerminal, DENO, hasTerminal, PROJECT, runClient } from "../helpers/process.ts";

const DEBUG = { env: { FERRY_DEBUG: "1" } };

Deno.test("client.ts shows stack and cause with FERRY_DEBUG=1 where it may read that variable", async () => {
  const args = ["task", "--quiet", "client", "127.0.0.1:0", "dir"];
  const { code, stderr } = await new Deno.Command(DENO, { args, cwd: PROJECT, ...DEBUG }).output();
  const said = new TextDecoder().decode(stderr);
  assertEquals(code, 3, said);
  assertMatch(said, /^Cannot connect to 127\.0\.0\.1:0: .*\n {2}FerryError: [^]*\n\s+at /);
  const plain = await runClient(["127.0.0.1:0", "dir"], DEBUG);
  assertEquals([plain.code, plain.stderr], [3, `${said.split("\n")[0]}\n`]);
});

Deno.test("client.ts does not ask at a terminal for what it may do without", { ignore: !hasTerminal }, async () => {
  await using client = clientInTerminal(["127.0.0.1:0", "dir"], DEBUG);
  assertEquals(await client.ended(), 3);
  assertStringIncludes(client.stdout.text, "Cannot connect to 127.0.0.1:0: ");
  for (const text of ["Allow?", "\n    at "]) assert(!client.stdout.text.includes(text), client.stdout.text);
});

Deno.test("server.ts shows stack and cause with FERRY_DEBUG=1, too", async () => {
  const access = ["--allow-net", "--allow-read", "--allow-env=FERRY_DEBUG"];
  const args = ["run", ...access, join(PROJECT, "server.ts"), "--read-only", join(PROJECT, "missing")];
  const { code, stderr } = await new Deno.Command(DENO, { args, ...DEBUG }).output();
  const said = new TextDecoder().decode(stderr);
  assertEquals(code, 1, said);
  assertMatch(said, /^Cannot serve ".*missing": no such file or directory\n {2}FerryError: [^]*NotFound[^]*\n\s+at /);
});
