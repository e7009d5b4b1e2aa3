import { screenColumns, table } from "../terminal/wrap.ts";
import { flagRows } from "./flags.ts";
import type { Output } from "./shell.ts";
import type { ShellCommand } from "./shell_command.ts";

/** `name` and its parameters: `get REMOTE [LOCAL]`. */
export function usage({ name, parameters }: ShellCommand): string {
  return parameters === "" ? name : `${name} ${parameters}`;
}

function row(command: ShellCommand): [string, string] {
  const { summary, aliases = [] } = command;
  return [usage(command), aliases.length > 0 ? `${summary} (also: ${aliases.join(", ")})` : summary];
}

/** The help of one command, or of all. Fits `columns` columns of a terminal. */
export function helpText(commands: readonly ShellCommand[], chosen: ShellCommand | undefined, columns: number): string {
  if (!chosen) {
    const notes: [string, string][] = [
      ["'my file.txt'", "put names with spaces in quotes"],
      ["'*.pdf'", "a pattern: all names that match"],
      ["help get", "the options of get, and examples"],
    ];
    return `${table(commands.map(row), columns)}\n${table(notes, columns)}`;
  }
  const { flags = [], examples } = chosen;
  const parts = [table([row(chosen)], columns)];
  if (flags.length > 0) parts.push(table(flagRows(flags), columns));
  if (examples.length > 0) parts.push(table(examples, columns));
  return parts.join("\n");
}

/** Prints the help of one command, or of all. */
export async function help(
  output: Output,
  commands: readonly ShellCommand[],
  chosen: ShellCommand | undefined,
): Promise<void> {
  await output.print(helpText(commands, chosen, screenColumns()));
}
