import { printable } from "../../core/text.ts";

/**
 * Takes a text file and prints it with everything escaped that a terminal would obey, but newlines and tabs. A last line
 * without a newline gets one, so that a prompt begins below it.
 */
export function escapedText(print: (text: string) => Promise<void>): WritableStream<Uint8Array> {
  const decoder = new TextDecoder();
  let end = "\n";
  const show = async (text: string) => {
    if (text === "") return;
    end = text.slice(-1);
    await print(text.replace(/[^\n\t]+/g, printable));
  };
  return new WritableStream({
    write: (bytes) => show(decoder.decode(bytes, { stream: true })),
    async close() {
      await show(decoder.decode());
      if (end !== "\n") await print("\n");
    },
  });
}
