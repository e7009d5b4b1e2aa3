import { assertEquals } from "@std/assert";
import { escapedText } from "../../../lib/cli/terminal/escaped_text.ts";

/** What a terminal gets of a file that arrives in pieces of `size` bytes. */
async function shown(content: string | Uint8Array<ArrayBuffer>, size: number): Promise<string> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  let text = "";
  const stream = escapedText((part) => Promise.resolve(void (text += part)));
  const writer = stream.getWriter();
  for (let at = 0; at < bytes.length; at += size) await writer.write(bytes.subarray(at, at + size));
  await writer.close();
  return text;
}

Deno.test("escapedText() escapes all that a terminal would obey but newlines and tabs, wherever the pieces end", async () => {
  const content = "a\tb\n\u001b[2J天线📡\u202e\r\n\0 end";
  for (let size = 1; size < 30; size++) {
    assertEquals(await shown(content, size), "a\tb\n\\u{1b}[2J天线📡\\u{202e}\\r\n\\u{0} end\n");
  }
});

Deno.test("escapedText() adds a newline only where one is missing", async () => {
  assertEquals(await shown("", 1), "");
  assertEquals(await shown("a\n", 1), "a\n");
  assertEquals(await shown("a", 1), "a\n");
});

Deno.test("escapedText() shows bytes that are no text", async () => {
  assertEquals(await shown(new Uint8Array([0x61, 0xff, 0xe5, 0xa4]), 2), "a\ufffd\ufffd\n");
});
