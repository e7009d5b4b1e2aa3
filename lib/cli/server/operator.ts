import process from "node:process";
import { createInterface } from "node:readline";
import { printable } from "../../core/text.ts";
import type { FerryServer } from "../../server/server.ts";

const HELP = "say TEXT  send a line to all clients\nwho       list the clients\nquit      stop the server";

/**
 * Runs the commands that the operator types at the server's terminal. Returns when the input ends.
 *
 * @param print Shows a line to the operator.
 * @param quit Called for `quit`.
 */
export async function runOperator(server: FerryServer, print: (line: string) => void, quit: () => void): Promise<void> {
  for await (const line of createInterface({ input: process.stdin, terminal: false })) {
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
      case "quit":
        return quit();
      case "help":
        print(HELP);
        break;
      default:
        print(`There is no command ${printable(command)} here.\n${HELP}`);
    }
  }
}

async function sayTo(server: FerryServer, text: string, print: (line: string) => void): Promise<void> {
  const { taken, missed } = await server.say(text);
  const rest = missed > 0 ? `; ${missed} did not take it, and may later` : "";
  print(`Sent to ${taken} ${taken === 1 ? "client" : "clients"}${rest}.`);
}

function who(server: FerryServer): string {
  const lines = server.sessions.map(({ id, peer, since, role, busyWith }) =>
    `#${id} ${peer} since ${since.toISOString()} ${role ?? "connecting"} ${busyWith ?? "idle"}`
  );
  return lines.length > 0 ? lines.join("\n") : "Nobody is connected.";
}
