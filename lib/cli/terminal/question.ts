import { Writable } from "node:stream";
import process from "node:process";
import { createInterface } from "node:readline";
import { keyboard, Keys } from "./keyboard.ts";
import { messages, print } from "./terminal.ts";

/** How to ask. */
export interface QuestionOptions {
  /** Whether what is typed is not shown. */
  readonly hidden?: boolean | undefined;
  /** Gives the question up. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks for a line at the terminal. (`prompt` leaves the terminal as it is when a signal ends the program in between.)
 *
 * @param question With the space that separates it from the answer.
 * @returns Undefined for Ctrl-C, Ctrl-D or the end of the input.
 */
export async function ask(
  question: string,
  { hidden = false, signal }: QuestionOptions = {},
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const giveUp = () => resolve(undefined);
  const resumed = () => hidden ? messages.write(question) : lines.prompt(true);
  const keys = new Keys({ interrupted: giveUp, ended: giveUp, resumed });
  await messages.drained();
  // Nothing that is typed for another reader gets in between.
  keyboard.take(keys);
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stdout;
  const lines = createInterface({ input: keys, output, terminal: true, historySize: 0 });
  try {
    lines.on("close", giveUp);
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    if (hidden) await print(question);
    lines.question(question, (answer) => {
      // What is typed next is for others, such as standard input.
      keys.hold();
      resolve(answer);
    });
    keys.listen();
    const answer = await promise;
    if (hidden || answer === undefined) await print("\n");
    return answer;
  } finally {
    signal?.removeEventListener("abort", giveUp);
    lines.close();
    keyboard.release(keys);
  }
}

/**
 * Asks at the terminal for a single key.
 *
 * @returns Whether it was `y` or the space bar; not for Ctrl-C or the end of the input.
 */
export async function askYes(question: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const giveUp = () => resolve(false);
  const keys = new Keys({ interrupted: giveUp, ended: giveUp });
  keyboard.take(keys);
  try {
    await print(question);
    keys.once("data", (key: Uint8Array) => resolve(/^[yY ]/.test(new TextDecoder().decode(key))));
    keys.listen();
    return await promise;
  } finally {
    await print("\n");
    keyboard.release(keys);
  }
}
