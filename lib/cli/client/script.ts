import process from "node:process";
import { createInterface } from "node:readline";
import { execute } from "./shell_commands.ts";
import { Exit } from "../terminal/exit.ts";
import { printable } from "../../core/text.ts";
import type { Address } from "./server_address.ts";
import { Shell } from "./shell.ts";
import { cut, MAX_ESCAPED_PATH_BYTES } from "../terminal/log_text.ts";
import { messages, print } from "../terminal/terminal.ts";
import { splitWords } from "../terminal/words.ts";

/** Runs commands in turn until one fails. @returns The exit code. @throws What a command throws. */
async function runAll(
  address: Address,
  commands: AsyncIterable<string[]> | Iterable<string[]>,
  inputIsFree: boolean,
): Promise<number> {
  // What comes during a transfer takes the place of its progress line.
  const clear = Deno.stderr.isTerminal() ? "\r\x1b[K" : "";
  const shell = new Shell(address, { print, inform: (line) => messages.line(clear + line) }, inputIsFree);
  const interrupted = new AbortController();
  const onInterrupt = () => interrupted.abort();
  Deno.addSignalListener("SIGINT", onInterrupt);
  try {
    for await (const words of commands) {
      await execute(shell, words, interrupted.signal);
      if (shell.leaving) break;
    }
    return Exit.done;
  } finally {
    // After Ctrl-C nobody wants to wait for a server that may not answer.
    if (!interrupted.signal.aborted) await shell.close();
    Deno.removeSignalListener("SIGINT", onInterrupt);
  }
}

/** The commands on standard input, one per line, echoed to standard error. Lines that begin with `#` are comments. */
async function* typedCommands(): AsyncIterable<string[]> {
  for await (const line of createInterface({ input: process.stdin, terminal: false })) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    messages.line(`> ${printable(cut(line, MAX_ESCAPED_PATH_BYTES))}`);
    yield splitWords(line);
  }
}

/** Runs the commands on standard input; see `runAll`. */
export function runScript(address: Address): Promise<number> {
  return runAll(address, typedCommands(), false);
}

/** Runs one command; see `runAll`. */
export function runOnce(address: Address, words: string[]): Promise<number> {
  return runAll(address, [words], true);
}
