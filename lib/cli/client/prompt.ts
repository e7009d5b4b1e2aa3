import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import { formatAddress } from "../../transport/address.ts";
import { printable } from "../../core/text.ts";
import { execute } from "./shell_commands.ts";
import { complete } from "./complete.ts";
import { explain } from "../terminal/explain.ts";
import { Exit } from "../terminal/exit.ts";
import type { Address } from "./server_address.ts";
import { restriction } from "./rights.ts";
import { Shell } from "./shell.ts";
import { messages, print } from "../terminal/terminal.ts";
import { splitWords } from "../terminal/words.ts";

/** A prompt on a terminal: history, completion, notices above the line, Ctrl-C to cancel the running command. */
class Prompt {
  readonly #shell: Shell;
  readonly #lines: Interface;
  /** Cancels the running command. */
  #running: AbortController | undefined;
  #isClosed = false;

  constructor(address: Address) {
    const output = {
      print,
      inform: (line: string) => this.#above(line),
      ask: (question: string) => this.#ask(question),
    };
    this.#shell = new Shell(address, output, false);
    this.#lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      historySize: 1000,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
        void complete(this.#shell, line).then((result) => done(null, result));
      },
    });
    this.#lines.on("SIGINT", () => this.#interrupt());
  }

  async run(): Promise<number> {
    await this.#connect();
    const lines = this.#lines[Symbol.asyncIterator]();
    for (;;) {
      this.#lines.setPrompt(`ferry:/${printable(this.#shell.remoteDirectory)}> `);
      await this.#prompt();
      const { value, done } = await lines.next();
      if (done) break;
      await this.#execute(value);
      if (this.#shell.leaving) break;
    }
    await this.#shell.close();
    this.#isClosed = true;
    this.#lines.close();
    return Exit.done;
  }

  async #connect(): Promise<void> {
    try {
      const limit = restriction(await this.#shell.rights());
      messages.line(`Connected to ${formatAddress(this.#shell.address)}. Type "help" for the commands.`);
      if (limit !== undefined) messages.line(limit);
    } catch (error) {
      this.#isClosed = true;
      this.#lines.close();
      throw error;
    }
  }

  async #execute(line: string): Promise<void> {
    this.#running = new AbortController();
    try {
      await execute(this.#shell, splitWords(line), this.#running.signal);
    } catch (error) {
      messages.line(explain(error).message);
    } finally {
      this.#running = undefined;
    }
  }

  async #ask(question: string): Promise<string | undefined> {
    const signal = this.#running?.signal;
    await messages.drained();
    if (this.#isClosed || signal?.aborted) return undefined;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const giveUp = () => resolve(undefined);
    this.#lines.once("close", giveUp);
    signal?.addEventListener("abort", giveUp);
    this.#lines.question(question, { signal }, resolve);
    try {
      return await promise;
    } finally {
      this.#lines.off("close", giveUp);
      signal?.removeEventListener("abort", giveUp);
    }
  }

  #interrupt(): void {
    if (this.#running) return this.#running.abort();
    // Empty the line; its text stays visible above.
    this.#lines.write(null, { ctrl: true, name: "e" });
    this.#lines.write(null, { ctrl: true, name: "u" });
    this.#above('Type "quit" to leave.');
  }

  /** Shows the prompt below all messages, with the text typed during the last command. */
  async #prompt(): Promise<void> {
    await messages.drained();
    if (!this.#running && !this.#isClosed) this.#lines.prompt(true);
  }

  /** Shows a line above the prompt, whose text stays. */
  #above(line: string): void {
    messages.line(`\r\x1b[K${line}`);
    if (!this.#running) void this.#prompt();
  }
}

/** Opens a prompt. @returns The exit code. @throws {FerryError} When it cannot connect. */
export function runPrompt(address: Address): Promise<number> {
  return new Prompt(address).run();
}
