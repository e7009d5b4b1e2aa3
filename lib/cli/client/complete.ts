import { addNames, Candidates } from "./candidates.ts";
import { nextValue } from "./flags.ts";
import { namesOf, SHELL_COMMANDS } from "./shell_commands.ts";
import type { ArgumentKind, ShellCommand } from "./shell_command.ts";
import type { Shell } from "./shell.ts";
import { quoteWord, scanWords } from "../terminal/words.ts";

/** What can stand in place of the last word of a line. */
export interface Completion {
  /** The word as it was typed. */
  readonly typed: string;
  /** What to put in its place; the same when there is nothing to add. */
  readonly word: string;
  /** The names that fit, to be shown; the first 10,000 of them. */
  readonly names: readonly string[];
  /** How many names fit. */
  readonly count: number;
}

/** Completes the last word of `line`: a command, an option, or a name on the server or on this machine. Never rejects. */
export async function complete(shell: Shell, line: string, signal: AbortSignal): Promise<Completion> {
  const words = scanWords(line);
  // If one more character would make a new word, there is nothing to complete yet.
  const last = scanWords(`${line}x`).length > words.length ? undefined : words.at(-1);
  const typed = last ? line.slice(last.start) : "";
  const before = words.slice(0, last ? -1 : undefined).map(({ text }) => text);
  const candidates = new Candidates();
  try {
    await addAll(candidates, shell, before, last?.text ?? "", signal);
  } catch {
    return { typed, word: typed, names: [], count: 0 };
  }
  const { count, common } = candidates;
  const names = [...candidates.shown];
  const isLonger = common !== undefined && (count === 1 || common !== last?.text) && common !== "";
  return { typed, word: isLonger ? asTyped(common, count === 1 && !names[0]?.endsWith("/")) : typed, names, count };
}

async function addAll(
  candidates: Candidates,
  shell: Shell,
  [name, ...before]: readonly string[],
  word: string,
  signal: AbortSignal,
): Promise<void> {
  const add = (names: readonly string[]) => {
    for (const name of names) if (name.startsWith(word)) candidates.add(name);
  };
  const allNames = SHELL_COMMANDS.flatMap(namesOf);
  if (name === undefined) return add(allNames);
  const command = SHELL_COMMANDS.find((each) => namesOf(each).includes(name));
  if (!command) return;
  const { kinds, options } = expected(command, before);
  if (options && word.startsWith("-")) return add(optionsOf(command));
  if (kinds.includes("command")) return add(allNames);
  for (const kind of kinds) await addNames(candidates, shell, kind, word, signal);
}

function optionsOf({ flags = [] }: ShellCommand): string[] {
  return [...flags, "help"].map((name) => `--${name}`);
}

/** What may come after the words that follow a command's name. */
function expected({ completes, flags = [] }: ShellCommand, before: readonly string[]) {
  let position = 0;
  let options = true;
  let value: string | undefined;
  for (const word of before) {
    if (value !== undefined) value = undefined;
    else if (options && word === "--") options = false;
    else if (options && word.startsWith("-") && word !== "-") {
      value = flags.map((flag) => nextValue(flag, word)).find(Boolean);
    } else position++;
  }
  const kinds: readonly ArgumentKind[] = [completes[position] ?? completes.at(-1) ?? []].flat();
  if (value === undefined) return { kinds, options };
  return { kinds: value === "FILE" ? ["local" as const] : [], options: false };
}

/** A word as it goes into the line: with a closing quote and a space when nothing can follow. */
function asTyped(text: string, isComplete: boolean): string {
  const quoted = quoteWord(text);
  if (isComplete) return `${quoted} `;
  return quoted === text ? text : quoted.slice(0, -1);
}
