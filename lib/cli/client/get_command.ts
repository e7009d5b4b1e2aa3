import { hasCode } from "../../core/errors.ts";
import { quote } from "../../core/text.ts";
import { readToStream } from "../../transfer/streams.ts";
import { printBytes } from "../terminal/terminal.ts";
import { UsageError } from "../terminal/usage.ts";
import { refuseWithDash, sayGrown } from "./file_command.ts";
import type { Invocation } from "./invocation.ts";
import { parsePattern } from "./patterns.ts";
import { transferWords } from "./transfer_command.ts";

/** `get REMOTE... [LOCAL]` */
export async function get(invocation: Invocation): Promise<void> {
  const { shell, args, flags } = invocation;
  if (args.length > 1 && args.at(-1) === "-") return await getToOutput(invocation);
  await shell.transferring(flags, (server, retry) => transferWords({ ...invocation, server, retry }, "get"));
}

async function getToOutput({ shell, args: [from = "", ...more], flags, signal }: Invocation): Promise<void> {
  if (more.length > 1) throw new UsageError("- takes one file. Use cat for several");
  refuseWithDash(flags, []);
  const path = shell.remoteEntry(from, "get");
  try {
    const source = { storage: shell.storage, path, shown: path };
    await readToStream(source, new WritableStream({ write: printBytes }), { signal, onGrown: sayGrown(shell, path) });
  } catch (error) {
    if (!hasCode(error, "NotFound") || !parsePattern(path)) throw error;
    throw new UsageError(`- takes one file, and ${quote(from)} is a pattern. Get what matches it into a directory`);
  }
}
