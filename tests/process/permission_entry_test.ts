import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { DENO, hasTerminal, inTerminal, PROJECT, startServer } from "../helpers/process.ts";
import { tempDir } from "../helpers/temp.ts";

Deno.test(
  "client.ts names the permission that is missing at its prompt, where nobody could answer Deno's question",
  { ignore: !hasTerminal },
  async () => {
    await using dir = await tempDir();
    const [served, here, closed] = [dir.join("served"), dir.join("here"), dir.join("closed")];
    for (const path of [served, here, closed]) await Deno.mkdir(path);
    await Deno.writeTextFile(join(served, "a.txt"), "abc");
    await Deno.writeTextFile(join(closed, "b.txt"), "");
    await using server = await startServer(served);
    const access = ["--allow-net", `--allow-read=${here}`, `--allow-write=${here}`];
    await using client = inTerminal([DENO, "run", ...access, join(PROJECT, "client.ts"), server.at], { cwd: here });
    const { stdout } = client;
    await stdout.until("ferry:/> ");
    const cases: [typed: string, options: string][] = [
      [`get a.txt ${closed}`, `--allow-read=${closed} --allow-write=${closed}`],
      [`put ${closed}/b.txt`, `--allow-read=${closed}`],
      [`put -r ${closed}/\t`, `--allow-read=${closed}`],
      [`put ${closed}/*.txt`, `--allow-read=${closed}`],
      [`lcd ${closed}`, `--allow-read=${closed}`],
      [`open ${closed}/ticket`, `--allow-read=${closed}/ticket`],
    ];
    for (const [typed, options] of cases) {
      await client.type(`${typed}\r`);
      await stdout.until(options);
      await stdout.until("ferry:/> ");
    }
    await client.type("get a.txt\r");
    await stdout.until('Got "a.txt"');
    await client.type("quit\r");
    assertEquals(await client.ended(), 0);
    assert(!stdout.text.includes("requests"), stdout.text);
    assertEquals(await Deno.readTextFile(join(here, "a.txt")), "abc");
  },
);
