import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import { formatAddress } from "../../transport/address.ts";
import { printable } from "../../core/text.ts";
import { execute } from "./shell_commands.ts";
import { complete } from "./complete.ts";
import { explain } from "../terminal/explain.ts";
import { Exit } from "../terminal/exit.ts";
import { keyboard, Keys } from "../terminal/keyboard.ts";
import { ask } from "../terminal/question.ts";
import type { Address } from "./server_address.ts";
import { restriction } from "./rights.ts";
import { Shell } from "./shell.ts";
import { messages, print } from "../terminal/terminal.ts";
import { splitWords } from "../terminal/words.ts";

/** A prompt on a terminal: history, completion, notices above the line, Ctrl-C to cancel the running command. */
class Prompt {
  readonly #shell: Shell;
  readonly #keys: Keys;
  readonly #lines: Interface;
  /** Cancels the running command. */
  #running = new AbortController();
  /** Whether the user can type a command now. */
  #isAsking = false;
  /** Told the next command, or that there is none. */
  #typed: (line: string | undefined) => void = () => {};

  constructor(address: Address) {
    const output = {
      print,
      inform: (line: string) => this.#inform(line),
      ask: (question: string) => ask(question, { signal: this.#running.signal }),
    };
    this.#shell = new Shell(address, output, false);
    this.#keys = new Keys({
      interrupted: () => this.#interrupt(),
      resumed: () => this.#draw(),
      unstoppable: () =>
        this.#inform('Ctrl-Z does not work here. Under "deno task" it would stop the terminal for good.'),
      ended: () => this.#type(undefined),
    }, { readsAhead: true });
    this.#lines = createInterface({
      input: this.#keys,
      output: process.stdout,
      terminal: true,
      historySize: 1000,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
        this.#keys.hold();
        void complete(this.#shell, line).then((result) => {
          done(null, result);
          this.#keys.listen();
        });
      },
    });
    this.#lines.on("line", (line) => this.#type(line));
    this.#lines.on("close", () => this.#type(undefined));
  }

  async run(): Promise<number> {
    keyboard.take(this.#keys);
    try {
      await this.#connect();
      for (let line = await this.#read(); line !== undefined; line = await this.#read()) {
        await this.#execute(line);
        if (this.#shell.leaving) break;
      }
      await this.#shell.close();
    } finally {
      this.#lines.close();
      keyboard.release(this.#keys);
    }
    return Exit.done;
  }

  async #connect(): Promise<void> {
    const limit = restriction(await this.#shell.rights(this.#running.signal));
    messages.line(`Connected to ${formatAddress(this.#shell.address)}. Type "help" for the commands.`);
    if (limit !== undefined) messages.line(limit);
  }

  /** Asks for a command. @returns Undefined when the user leaves. */
  async #read(): Promise<string | undefined> {
    await messages.drained();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#typed = resolve;
    this.#isAsking = true;
    this.#lines.setPrompt(`ferry:/${printable(this.#shell.remoteDirectory)}> `);
    this.#lines.prompt();
    this.#keys.listen();
    const line = await promise;
    if (line === undefined) messages.line("");
    return line;
  }

  #type(line: string | undefined): void {
    this.#keys.hold();
    this.#isAsking = false;
    this.#typed(line);
  }

  async #execute(line: string): Promise<void> {
    this.#running = new AbortController();
    try {
      await execute(this.#shell, splitWords(line), this.#running.signal);
    } catch (error) {
      messages.line(explain(error).message);
    }
  }

  #interrupt(): void {
    if (!this.#isAsking) return this.#running.abort();
    // Empty the line.
    this.#lines.write(null, { ctrl: true, name: "e" });
    this.#lines.write(null, { ctrl: true, name: "u" });
    this.#inform('Type "quit" to leave.');
  }

  /** Draws the prompt and what was typed, below all messages. */
  #draw(): void {
    void messages.drained().then(() => {
      if (this.#isAsking) this.#lines.prompt(true);
    });
  }

  /** Shows a line, above the prompt if there is one. */
  #inform(line: string): void {
    if (!this.#isAsking) return messages.line(`\r\x1b[K${line}`);
    // Drawing anew begins as many rows above as the cursor is below the beginning of the prompt.
    const { rows } = this.#lines.getCursorPos();
    const up = rows > 0 ? `\x1b[${rows}A` : "";
    messages.line(`${up}\r\x1b[J${line}${"\n".repeat(rows)}`);
    this.#draw();
  }
}

/** Opens a prompt. @returns The exit code. @throws {FerryError} When it cannot connect. */
export function runPrompt(address: Address): Promise<number> {
  return new Prompt(address).run();
}
