import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Shell } from "../../../lib/cli/client/shell.ts";
import { printable } from "../../../lib/core/text.ts";
import { execute } from "../../../lib/cli/client/shell_commands.ts";
import { failsWith, FakeServer, Served, within } from "../../helpers/raw.ts";
import { tempDir } from "../../helpers/temp.ts";

Deno.test("Shell shows why a server ended the connection, and nothing that a terminal would obey", async () => {
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.send("disconnect", { code: "Timeout", message: "bye\u001b[2J\n\u202e" });
  });
  const { promise: said, resolve: inform } = Promise.withResolvers<string>();
  const shell = new Shell(server.address, { print: () => Promise.resolve(), inform }, false);
  await shell.rights();
  assertStringIncludes(await within(said, "the reason"), String.raw`has ended: bye\u{1b}[2J\n\u{202e}. The next`);
  await shell.close();
});

Deno.test("Shell shows at most 4,096 characters of a line from the operator, and how many it has left out", async (t) => {
  for (const c of ["a", '"', "\u202e", "\0", "天", "📡"]) {
    await t.step(JSON.stringify(c), async () => {
      // What a frame has room for.
      const text = c.repeat(60_000 / (new TextEncoder().encode(JSON.stringify(c)).length - 2));
      const line = await shownOf(text);
      const [, shown = "", leftOut] = /^Server: (.*)… \((\d+) more characters\)$/u.exec(line) ?? [];
      assert(shown.length > 1000 && shown.length <= 4096, `${shown.length}`);
      const kept = text.slice(0, text.length - Number(leftOut));
      assertEquals(shown, printable(kept));
    });
  }
  assertEquals(await shownOf("a".repeat(4096)), `Server: ${"a".repeat(4096)}`);
});

/** What the user sees of a line from the operator. */
async function shownOf(text: string): Promise<string> {
  await using server = FakeServer.welcoming((peer) => peer.send("notice", { text, reason: "message" }));
  const { promise: said, resolve: inform } = Promise.withResolvers<string>();
  const shell = new Shell(server.address, { print: () => Promise.resolve(), inform }, false);
  await shell.rights();
  const line = await within(said, "the line");
  await shell.close();
  return line;
}

Deno.test("Shell ends a transfer that has its own connections when the prompt's session is kicked", async () => {
  const files = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`d/f${i}`, "x"]));
  let reads = 0;
  await using served = await Served.with(files, {}, (storage) => ({
    read: (...args) => {
      // The first session is that of the prompt, which was there before the command.
      if (++reads === 50) served.server.kick(1);
      return storage.read(...args);
    },
  }));
  await using here = await tempDir();
  const said: string[] = [];
  const output = { print: () => Promise.resolve(), inform: (line: string) => void said.push(line) };
  const shell = new Shell(served.address, output, false);
  shell.localDirectory = here.path;
  await shell.rights();
  const getting = execute(shell, ["get", "-r", "--connections", "2", "d"], new AbortController().signal);
  const { message } = await within(failsWith(getting, "Kicked"), "the end", 10_000);
  await shell.close();
  assertStringIncludes(message, "the server's operator has ended the session");
  assertEquals(said.filter((line) => line.includes("Connecting again")), []);
});
