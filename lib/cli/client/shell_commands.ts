import { resolve } from "@std/path";
import type { Entry } from "../../core/metadata.ts";
import { COMMANDS as PROTOCOL, isCommandName } from "../../protocol/commands.ts";
import { cannot, FerryError } from "../../core/errors.ts";
import { joinPaths } from "../../core/remote_path.ts";
import { printable } from "../../core/text.ts";
import { unreadable } from "../../transfer/listing.ts";
import { ifThere } from "../../transfer/copy.ts";
import { describeFlags, type FlagName, parseFlags } from "./flags.ts";
import { Columns, localTime } from "../terminal/format.ts";
import type { Invocation } from "./invocation.ts";
import { UsageError } from "../terminal/usage.ts";
import type { Shell } from "./shell.ts";
import { get } from "./get_command.ts";
import { isLocalDirectory } from "./local_directory.ts";
import { put } from "./put_command.ts";
import { readFilter } from "./tree_options.ts";

/** What kind of names an argument of a command is, for completion. */
export type ArgumentKind = "remote" | "local" | "none";

/** A command that the user can type. */
export interface ShellCommand {
  readonly name: string;
  readonly aliases: readonly string[];
  /** What follows the name, for help. */
  readonly parameters: string;
  readonly summary: string;
  /** The options that it has. */
  readonly flags: readonly FlagName[];
  /** How many arguments it takes: at least, at most. */
  readonly arity: readonly [number, number];
  /** The kinds of its arguments; the last one stands for all that follow. */
  readonly completes: readonly ArgumentKind[];
  run(invocation: Invocation): Promise<void> | void;
}

/** Entries that are kept to find the widest size before the first line is printed. */
const BATCH_ENTRIES = 1000;

async function dir({ shell, args: [name = "."], flags: { recursive }, signal }: Invocation): Promise<void> {
  const columns = new Columns();
  let batch: Entry[] = [];
  let missing: string | undefined;
  const path = shell.remote(name, "list");
  for await (const entry of shell.storage.list(path, { recursive, signal })) {
    if (entry.unreadable) missing ??= joinPaths(path, entry.path);
    batch.push(entry);
    if (batch.length < BATCH_ENTRIES) continue;
    await shell.output.print(columns.lines(batch));
    batch = [];
  }
  await shell.output.print(columns.lines(batch));
  if (missing !== undefined) throw unreadable(missing);
}

async function stat({ shell, args: [name = "."], signal }: Invocation): Promise<void> {
  const path = shell.remote(name, "stat");
  const { kind, size, mtimeMs, mode, version } = await shell.storage.stat(path, { signal });
  const lines = [`name: ${printable(path || "/")}`, `kind: ${kind}`];
  if (kind === "file") lines.push(`size: ${size} bytes`);
  if (mode !== undefined) lines.push(`permissions: ${mode.toString(8).padStart(3, "0")}`);
  lines.push(`changed: ${localTime(mtimeMs)}`, `version: ${printable(version)}`);
  await shell.output.print(`${lines.join("\n")}\n`);
}

async function sum({ shell, args: [name = ""], signal }: Invocation): Promise<void> {
  const path = shell.remoteEntry(name, "sum");
  const { sha256 } = await shell.storage.digest(path, { signal });
  // As sha256sum does it, which can check this line.
  const escaped = path.replace(/[\\\n\r]/g, (c) => c === "\\" ? "\\\\" : c === "\n" ? "\\n" : "\\r");
  const mark = escaped === path ? "" : "\\";
  await shell.output.print(`${mark}${printable(sha256)}  ${printable(escaped)}\n`);
}

async function cd({ shell, args: [name = "/"], signal }: Invocation): Promise<void> {
  const path = shell.remote(name, "enter");
  // Who may not look can go anywhere; whether there is such a directory shows when something is put there.
  if (await shell.may("read", signal)) {
    const found = await ifThere(shell.storage.stat(path, { signal }));
    if (!found) throw cannot("enter", name, new FerryError("NotFound", "no such directory"));
    if (found.kind !== "directory") {
      throw cannot("enter", name, new FerryError("NotADirectory", "it is not a directory"));
    }
  }
  shell.remoteDirectory = path;
}

function lcd({ shell, args: [name = "."] }: Invocation): void {
  const path = resolve(shell.local(name));
  if (!isLocalDirectory(path)) {
    throw cannot("enter", name, new FerryError("NotADirectory", "there is no such directory here"));
  }
  shell.localDirectory = path;
}

async function help({ shell, args: [name] }: Invocation): Promise<void> {
  const chosen = name === undefined ? SHELL_COMMANDS : [findCommand(name)];
  const rows = chosen.map((command) => ({ usage: usage(command), ...command }));
  const width = Math.max(...rows.map((row) => row.usage.length));
  const lines = rows.map(({ usage, summary, aliases }) => {
    const also = aliases.length > 0 ? ` (also: ${aliases.join(", ")})` : "";
    return `  ${usage.padEnd(width)}  ${summary}${also}\n`;
  });
  const quoting = name === undefined
    ? `Put names with spaces in quotes: get "my file.txt". "help get" shows the options of get.\n`
    : "";
  const flags = name === undefined ? "" : describeFlags(findCommand(name).flags);
  await shell.output.print(lines.join("") + flags + quoting);
}

function summaryOf(name: string): string {
  return isCommandName(name) ? PROTOCOL[name].summary : "";
}

function define(
  name: string,
  parameters: string,
  arity: readonly [number, number],
  completes: readonly ArgumentKind[],
  run: ShellCommand["run"],
  { aliases = [], summary = summaryOf(name), flags = [] }: {
    aliases?: readonly string[];
    summary?: string;
    flags?: readonly FlagName[];
  } = {},
): ShellCommand {
  return { name, aliases, parameters, summary, flags, arity, completes, run };
}

const TRANSFER_FLAGS: readonly FlagName[] = [
  "recursive",
  "all",
  "update",
  "checksum",
  "exclude",
  "include",
  "exclude-from",
  "delete",
  "dry-run",
  "no-clobber",
  "verify",
  "durable",
  "retry-for",
  "connections",
];

/** The commands of the prompt, the command line and scripts, in the order of the help. */
export const SHELL_COMMANDS: readonly ShellCommand[] = [
  define("dir", "[-r] [DIRECTORY]", [0, 1], ["remote"], dir, { aliases: ["ls"], flags: ["recursive"] }),
  define("get", "[OPTION...] REMOTE [LOCAL]", [1, 2], ["remote", "local"], get, {
    summary: "download a file, a pattern, or with -r a directory; LOCAL - is standard output",
    flags: TRANSFER_FLAGS,
  }),
  define("put", "[OPTION...] LOCAL... [REMOTE]", [1, Infinity], ["local", "remote"], put, {
    summary: "upload files, patterns, or with -r directories; LOCAL - is standard input",
    flags: TRANSFER_FLAGS,
  }),
  define("stat", "[NAME]", [0, 1], ["remote"], stat),
  define("sum", "NAME", [1, 1], ["remote"], sum),
  define("mkdir", "NAME", [1, 1], ["remote"], async ({ shell, args: [name = ""], signal }) => {
    await shell.storage.mkdir(shell.remoteEntry(name, "mkdir"), { signal });
  }),
  define("rename", "OLD NEW", [2, 2], ["remote"], async ({ shell, args: [from = "", to = ""], signal }) => {
    await shell.storage.rename(shell.remoteEntry(from, "rename"), shell.remoteEntry(to, "rename"), { signal });
  }, { aliases: ["mv"] }),
  define(
    "remove",
    "[-r] NAME",
    [1, 1],
    ["remote"],
    async ({ shell, args: [name = ""], flags: { recursive }, signal }) => {
      await shell.storage.remove(shell.remoteEntry(name, "remove"), { recursive, signal });
    },
    { aliases: ["rm"], flags: ["recursive"] },
  ),
  define("cd", "[DIRECTORY]", [0, 1], ["remote"], cd, { summary: "change the directory on the server" }),
  define("pwd", "", [0, 0], ["none"], ({ shell }) => shell.output.print(`/${printable(shell.remoteDirectory)}\n`), {
    summary: "show the directory on the server",
  }),
  define("lcd", "[DIRECTORY]", [0, 1], ["local"], lcd, { summary: "change the directory on this side" }),
  define(
    "lpwd",
    "",
    [0, 0],
    ["none"],
    ({ shell }) => shell.output.print(`${printable(resolve(shell.localDirectory))}\n`),
    {
      summary: "show the directory on this side",
    },
  ),
  define("say", "TEXT...", [1, Infinity], ["none"], async ({ shell, args, signal }) => {
    await shell.say(args.join(" "), signal);
  }),
  define("help", "[COMMAND]", [0, 1], ["none"], help, { summary: "show this help", aliases: ["?"] }),
  define("close", "", [0, 0], ["none"], ({ shell }) => {
    shell.leaving = true;
  }, { summary: "end the session and leave", aliases: ["quit", "exit", "bye"] }),
];

/** `name` and its parameters: `get REMOTE [LOCAL]`. */
function usage({ name, parameters }: ShellCommand): string {
  return parameters === "" ? name : `${name} ${parameters}`;
}

/** @throws {UsageError} When there is no command of that name. */
export function findCommand(name: string): ShellCommand {
  const found = SHELL_COMMANDS.find((command) => command.name === name || command.aliases.includes(name));
  if (!found) throw new UsageError(`There is no command ${printable(name)}; "help" lists them`);
  return found;
}

/**
 * Runs one command.
 *
 * @param words The name of the command and its arguments; with none, nothing happens.
 * @throws {UsageError} When they do not fit. @throws {FerryError} When it fails.
 */
export async function execute(shell: Shell, words: string[], signal: AbortSignal): Promise<void> {
  const [name, ...rest] = words;
  if (name === undefined) return;
  if (rest.length === 1 && rest[0] === "--help") return await execute(shell, ["help", name], signal);
  const command = findCommand(name);
  const { args, flags } = parseFlags(rest, command.flags);
  const [least, most] = command.arity;
  if (args.length < least || args.length > most) throw new UsageError(`Usage: ${usage(command)}`);
  const filter = readFilter(shell, flags);
  shell.busy = true;
  try {
    await command.run({ shell, args, flags, filter, signal });
  } finally {
    shell.busy = false;
  }
}
