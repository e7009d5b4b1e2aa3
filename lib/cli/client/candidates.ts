import { compareUtf8 } from "../../core/listing_order.ts";
import { printable } from "../../core/text.ts";
import type { ArgumentKind } from "./shell_command.ts";
import type { Shell } from "./shell.ts";

/** How long to look for names, in ms. The prompt is blocked meanwhile. */
const TIMEOUT_MS = 2_000;

/** The most names that are kept to be shown, each at most 255 bytes; more are only counted. */
const MAX_SHOWN_NAMES = 10_000;

/** A name in a directory. */
interface Name {
  readonly name: string;
  readonly directory: boolean;
}

/** What a word could become: what is common to all names that fit, and some of them. */
export class Candidates {
  /** What all have in common; undefined if there are none. */
  common: string | undefined;
  /** How many there are. */
  count = 0;
  /** The first of them. */
  readonly shown = new Set<string>();

  /** @param text The whole word. @param name What is shown of it. */
  add(text: string, name = text): void {
    if (this.shown.has(name)) return;
    this.common = this.common === undefined ? text : commonBeginning(this.common, text);
    this.count++;
    if (this.shown.size < MAX_SHOWN_NAMES) this.shown.add(name);
  }
}

function commonBeginning(a: string, b: string): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  // Not half of a surrogate pair.
  return a.slice(0, length).replace(/[\ud800-\udbff]$/, "");
}

/** Names on the server that begin like that. The order of listings says when there are no more. */
async function* remoteNames(shell: Shell, directory: string, beginning: string, signal: AbortSignal) {
  const path = shell.remote(directory || ".", "list");
  if (!await shell.may("read", signal)) return;
  for await (const { path: name, kind } of shell.storage.list(path, { signal })) {
    if (name.startsWith(beginning)) yield { name, directory: kind === "directory" };
    else if (compareUtf8(name, beginning) > 0) return;
  }
}

/** Names on this machine that begin like that, sorted. */
async function* localNames(shell: Shell, directory: string, beginning: string, signal: AbortSignal) {
  const path = shell.local(directory || ".");
  const found: Name[] = [];
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(path)) {
    signal.throwIfAborted();
    if (!name.startsWith(beginning)) continue;
    found.push({ name, directory: isDirectory || (isSymlink && await isDirectoryAt(`${path}/${name}`)) });
  }
  yield* found.sort((a, b) => compareUtf8(a.name, b.name));
}

async function isDirectoryAt(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isDirectory ?? false;
}

/**
 * Adds the names that complete `word`, each with the directory typed before it; none if they cannot be listed.
 *
 * @throws When only some of them could be listed: of these nobody knows what all have in common.
 */
export async function addNames(
  candidates: Candidates,
  shell: Shell,
  kind: ArgumentKind,
  word: string,
  cancel: AbortSignal,
) {
  const directory = word.slice(0, word.lastIndexOf("/") + 1);
  const beginning = word.slice(directory.length);
  const signal = AbortSignal.any([cancel, AbortSignal.timeout(TIMEOUT_MS)]);
  const namesIn = kind.startsWith("remote") ? remoteNames : localNames;
  const names: AsyncIterable<Name> = namesIn(shell, directory, beginning, signal);
  let hasSome = false;
  try {
    for await (const { name, directory: isDirectory } of names) {
      hasSome = true;
      // A terminal could obey the characters of such a name.
      if (printable(name) !== name || (kind.endsWith("directory") && !isDirectory)) continue;
      const end = isDirectory && !kind.endsWith("source") ? "/" : "";
      // It is meant neither as an option nor as a home directory.
      const before = directory === "" && /^[-~]/.test(name) ? "./" : directory;
      candidates.add(before + name + end, isDirectory ? `${name}/` : name);
    }
  } catch (error) {
    if (hasSome || signal.aborted) throw error;
  }
}
