import { printable } from "../../core/text.ts";
import { namesOf, SHELL_COMMANDS } from "./shell_commands.ts";
import type { Shell } from "./shell.ts";
import { quoteWord, scanWords } from "../terminal/words.ts";

/** The most names that are offered. */
const MAX_NAMES = 500;

/** How long to wait for the server, in ms. The prompt is blocked meanwhile. */
const REMOTE_TIMEOUT_MS = 2_000;

interface Name {
  readonly name: string;
  readonly directory: boolean;
}

async function* remoteNames(shell: Shell, directory: string): AsyncIterable<Name> {
  const signal = AbortSignal.timeout(REMOTE_TIMEOUT_MS);
  const path = shell.remote(directory || ".", "list");
  if (!await shell.may("read", signal)) return;
  for await (const { path: name, kind } of shell.storage.list(path, { signal })) {
    yield { name, directory: kind === "directory" };
  }
}

async function* localNames(shell: Shell, directory: string): AsyncIterable<Name> {
  for await (const { name, isDirectory } of Deno.readDir(shell.local(directory || "."))) {
    yield { name, directory: isDirectory };
  }
}

/** The names that complete `word`, each with the directory typed before it. */
async function namesLike(shell: Shell, kind: "remote" | "local", word: string): Promise<string[]> {
  const directory = word.slice(0, word.lastIndexOf("/") + 1);
  const beginning = word.slice(directory.length);
  const found: string[] = [];
  const names = kind === "remote" ? remoteNames(shell, directory) : localNames(shell, directory);
  for await (const { name, directory: isDirectory } of names) {
    // A terminal could obey the characters of such a name.
    if (!name.startsWith(beginning) || printable(name) !== name) continue;
    found.push(directory + name + (isDirectory ? "/" : ""));
    if (found.length === MAX_NAMES) break;
  }
  return found.sort();
}

/**
 * Completes the last word of `line`: a command, or a name on the server or on this machine.
 *
 * @returns The candidates and the word that they replace, for `node:readline`.
 */
export async function complete(shell: Shell, line: string): Promise<[string[], string]> {
  const words = scanWords(line);
  // If one more character would make a new word, there is nothing to complete yet.
  const last = scanWords(`${line}x`).length > words.length ? undefined : words.at(-1);
  const typed = last ? line.slice(last.start) : "";
  const index = last ? words.length - 1 : words.length;
  if (index === 0) {
    const names = SHELL_COMMANDS.flatMap(namesOf);
    return [names.filter((name) => name.startsWith(typed)).map((name) => `${name} `), typed];
  }
  const command = SHELL_COMMANDS.find((command) => namesOf(command).includes(words[0]?.text ?? ""));
  const kind = command?.completes[index - 1] ?? command?.completes.at(-1) ?? "none";
  if (kind === "none") return [[], typed];
  try {
    const names = await namesLike(shell, kind, last?.text ?? "");
    return [names.map(asTyped), typed];
  } catch {
    // Without candidates the line just stays as it is.
    return [[], typed];
  }
}

/** A name as it goes into the line. A directory gets no closing quote or space, so that one can type on. */
function asTyped(name: string): string {
  const quoted = quoteWord(name);
  if (!name.endsWith("/")) return `${quoted} `;
  return quoted === name ? name : quoted.slice(0, -1);
}
