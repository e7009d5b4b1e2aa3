import { assertEquals } from "@std/assert";
import { toFileUrl } from "@std/path";
import { DENO, PROJECT } from "../helpers/process.ts";
import { tempDir } from "../helpers/temp.ts";

const PROGRAM = `
import { connect, serve } from "${toFileUrl(PROJECT)}lib/mod.ts";
await using server = serve({ root: await Deno.makeTempDir({ dir: "." }), port: 0 });
await using client = await connect(server.address);
await client.put("program.ts", "copy.ts");
for await (const entry of client.dir()) console.log(entry.path);
`;

Deno.test("lib/mod.ts works in a program elsewhere, with --config as the README says", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(dir.join("program.ts"), PROGRAM);
  const rights = ["--allow-net", "--allow-read", "--allow-write"];
  const { stdout, stderr, success } = await new Deno.Command(DENO, {
    args: ["run", "--quiet", ...rights, "--config", `${PROJECT}deno.json`, "program.ts"],
    cwd: dir.path,
    env: { NO_COLOR: "1" },
  }).output();
  const [output, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([success, output, errors], [true, "copy.ts\n", ""]);
});
