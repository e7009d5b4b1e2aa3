import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import { printable } from "../../core/text.ts";
import { execute } from "./shell_commands.ts";
import { explain } from "../terminal/explain.ts";
import { Exit } from "../terminal/exit.ts";
import { keyboard, Keys } from "../terminal/keyboard.ts";
import { ask, askYes } from "../terminal/question.ts";
import type { Address } from "./server_address.ts";
import { History, MAX_HISTORY_LINES } from "./history.ts";
import { greet } from "./session_commands.ts";
import { grid } from "../terminal/grid.ts";
import { screenColumns } from "../terminal/wrap.ts";
import { Shell } from "./shell.ts";
import { messages, print } from "../terminal/terminal.ts";
import { splitWords } from "../terminal/words.ts";

/** The most names that are shown without a question. */
const MAX_UNASKED = 100;

/** A prompt on a terminal: history, completion, notices above the line, Ctrl-C to cancel the running command. */
class Prompt {
  readonly #shell: Shell;
  readonly #keys: Keys;
  readonly #lines: Interface;
  /** Cancels the running command. */
  #running = new AbortController();
  /** Whether the user can type a command now. */
  #isAsking = false;
  /** The line after the last Tab. */
  #tabbed: string | undefined;
  /** Told the next command, or that there is none. */
  #typed: (line: string | undefined) => void = () => {};

  constructor(address: Address, history: History) {
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
      history: history.lines().reverse(),
      historySize: MAX_HISTORY_LINES,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
        void this.#complete(line).then((result) => {
          done(null, result);
          this.#keys.listen();
        });
      },
    });
    this.#lines.on("line", (line) => {
      history.add(line);
      this.#type(line);
    });
    this.#lines.on("close", () => this.#type(undefined));
  }

  async run(): Promise<number> {
    keyboard.take(this.#keys);
    try {
      await greet(this.#shell, this.#running.signal);
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

  /** Asks for a command. @returns Undefined when the user leaves. */
  async #read(): Promise<string | undefined> {
    await messages.drained();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#typed = resolve;
    this.#isAsking = true;
    this.#lines.setPrompt(`${this.#shell.name}:/${printable(this.#shell.remoteDirectory)}> `);
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

  /** Never rejects. */
  async #complete(line: string): Promise<[string[], string]> {
    this.#keys.hold();
    this.#running = new AbortController();
    // Not at the start, which everyone waits for.
    const { complete } = await import("./complete.ts");
    const { typed, word, names, count } = await complete(this.#shell, line, this.#running.signal);
    const isAgain = this.#tabbed === line;
    this.#tabbed = line.slice(0, line.length - typed.length) + word;
    if (word !== typed) return [[word], typed];
    if (isAgain && count > 1) await this.#show(names, count);
    return [[], typed];
  }

  /** Shows the names that the line could be completed with, below the line, and then the prompt anew. */
  async #show(names: readonly string[], count: number): Promise<void> {
    await messages.drained();
    await print(`${this.#above()}${this.#lines.getPrompt()}${this.#lines.line}\n`);
    const many = count > names.length ? `the first ${names.length} of ${count}` : `all ${count}`;
    const isWanted = count <= MAX_UNASKED || await askYes(`Show ${many}? (y or n) `);
    if (isWanted) await print(grid(names, screenColumns()));
    await print("\n".repeat(this.#lines.getCursorPos().rows));
    this.#lines.prompt(true);
  }

  #interrupt(): void {
    this.#running.abort();
    if (!this.#isAsking) return;
    if (this.#lines.line === "") return this.#inform('Type "quit" to leave.');
    // Empty the line.
    this.#lines.write(null, { ctrl: true, name: "e" });
    this.#lines.write(null, { ctrl: true, name: "u" });
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
    messages.line(`${this.#above()}${line}${"\n".repeat(this.#lines.getCursorPos().rows)}`);
    this.#draw();
  }

  /** What removes the prompt and puts the cursor where it began. */
  #above(): string {
    const { rows } = this.#lines.getCursorPos();
    return `${rows > 0 ? `\x1b[${rows}A` : ""}\r\x1b[J`;
  }
}

/** Opens a prompt. @returns The exit code. @throws {FerryError} When it cannot connect. */
export function runPrompt(address: Address, history: History): Promise<number> {
  return new Prompt(address, history).run();
}
