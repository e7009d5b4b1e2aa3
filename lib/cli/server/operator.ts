import { printable, quote } from "../../core/text.ts";
import type { FerryServer } from "../../server/server.ts";
import type { Session } from "../../server/session.ts";
import { bytes } from "../terminal/format.ts";
import { cut } from "../terminal/log_text.ts";
import { didYouMean } from "../terminal/suggestion.ts";

const HELP = `say TEXT       send a line to all clients
who            list the clients, and what each is doing
kick N [TEXT]  end session N, and tell its client why
help           list these commands
quit, close    stop the server; Ctrl-C, too`;

const COMMANDS = ["say", "who", "kick", "help", "quit", "close"];

/** How much is read from the terminal at a time, in bytes. */
const READ_BYTES = 4096;

/** Reads from the terminal. @returns How many bytes; null for Ctrl-D, undefined when the terminal is gone. */
async function readTerminal(space: Uint8Array): Promise<number | null | undefined> {
  try {
    return await Deno.stdin.read(space) ?? (Deno.stdin.isTerminal() ? null : undefined);
  } catch {
    return undefined;
  }
}

/** The lines that are typed. Ctrl-D does not end them; the end of the terminal does. @param onEnd Called for Ctrl-D. */
async function* typedLines(onEnd: () => void): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const space = new Uint8Array(READ_BYTES);
  let rest = "";
  for (;;) {
    const n = await readTerminal(space);
    if (n === undefined) return;
    if (n === null) onEnd();
    const lines = (rest + decoder.decode(space.subarray(0, n ?? 0), { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/**
 * Runs the commands that the operator types at the server's terminal. Returns when the terminal is gone.
 *
 * @param print Shows a line to the operator.
 * @param quit Called for `quit`.
 */
export async function runOperator(server: FerryServer, print: (line: string) => void, quit: () => void): Promise<void> {
  for await (const line of typedLines(() => print('Type "quit" to stop the server.'))) {
    const [, command = "", rest = ""] = /^\s*(\S*)\s*(.*?)\s*$/.exec(line) ?? [];
    switch (command) {
      case "":
        break;
      case "say":
        if (rest === "") print("Say what? Write: say TEXT");
        // Not awaited: clients that do not read must not block the console.
        else void sayTo(server, rest, print);
        break;
      case "who":
        print(who(server));
        break;
      case "kick":
        print(kick(server, rest));
        break;
      case "close":
      case "quit":
        quit();
        break;
      case "help":
        print(HELP);
        break;
      default:
        print(`There is no command ${printable(cut(command))} here${didYouMean(command, COMMANDS) || "."}\n${HELP}`);
    }
  }
}

async function sayTo(server: FerryServer, text: string, print: (line: string) => void): Promise<void> {
  const { taken, missed } = await server.say(text);
  const rest = missed > 0 ? `; ${missed} did not take it, and may later` : "";
  print(`Sent to ${taken} ${taken === 1 ? "client" : "clients"}${rest}.`);
}

function kick(server: FerryServer, words: string): string {
  const [, number = "", why = ""] = /^#?(\d+)(?:\s+(.*))?$/.exec(words) ?? [];
  if (number === "") return 'Whom? Write: kick N; "who" shows the numbers.';
  return server.kick(Number(number), why) ? `Session ${number} was ended.` : `There is no session ${number}.`;
}

function who(server: FerryServer): string {
  const lines = server.sessions.map((session) => {
    const { id, peer, since, role } = session;
    return `#${id} ${peer} since ${since.toISOString()} ${role ?? "connecting"} ${activityOf(session)}`;
  });
  return lines.length > 0 ? lines.join("\n") : "Nobody is connected.";
}

/** What a session is doing: the command, what it is about, and how far it has come. */
export function activityOf({ busyWith, operation, bytesPerSecond }: Session): string {
  if (busyWith === undefined) return "idle";
  const path = operation?.subject?.path;
  const { bytes: done = 0, total } = operation ?? {};
  const words = [busyWith];
  if (path !== undefined) words.push(quote(cut(path)));
  if (total !== undefined) words.push(`${percent(done, total)} % (${bytes(done)} of ${bytes(total)})`);
  else if (done > 0) words.push(bytes(done));
  words.push(`${bytes(bytesPerSecond)}/s`);
  return words.join(" ");
}

function percent(done: number, total: number): number {
  return total === 0 ? 100 : Math.floor(done / total * 100);
}
