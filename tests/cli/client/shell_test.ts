import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Shell } from "../../../lib/cli/client/shell.ts";
import { printable } from "../../../lib/core/text.ts";
import { FakeServer, within } from "../../helpers/raw.ts";

Deno.test("Shell shows why a server ended the connection, and nothing that a terminal would obey", async () => {
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.send("disconnect", { code: "Timeout", message: "bye\u001b[2J\n\u202e" });
  });
  const { promise: said, resolve: inform } = Promise.withResolvers<string>();
  const shell = new Shell(server.address, { print: () => Promise.resolve(), inform }, false);
  await shell.client();
  assertStringIncludes(await within(said, "the reason"), String.raw`has ended: bye\u{1b}[2J\n\u{202e}. The next`);
  await shell.link.close();
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
  await shell.client();
  const line = await within(said, "the line");
  await shell.link.close();
  return line;
}
