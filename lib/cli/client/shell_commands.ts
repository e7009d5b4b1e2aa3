import { COMMANDS as PROTOCOL } from "../../protocol/commands.ts";
import { printable } from "../../core/text.ts";
import { UsageError } from "../terminal/usage.ts";
import { mkdir, remove, rename } from "./change_commands.ts";
import { cd, lcd, lpwd, pwd } from "./directory_commands.ts";
import { type FlagName, parseFlags } from "./flags.ts";
import { help, usage } from "./help_command.ts";
import { dir, lls } from "./list_command.ts";
import { open, status } from "./session_commands.ts";
import type { Shell } from "./shell.ts";
import type { ShellCommand } from "./shell_command.ts";
import { cat, df, stat, sum } from "./show_commands.ts";
import { didYouMean } from "../terminal/suggestion.ts";
import { readFilter } from "./tree_options.ts";

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

/**
 * The commands of the prompt, the command line and scripts, in the order of the help. What only some need is loaded when
 * one of these runs, so that the prompt appears sooner.
 */
export const SHELL_COMMANDS: readonly ShellCommand[] = [
  {
    name: "dir",
    aliases: ["ls"],
    parameters: "[-r] [-t | -S] [NAME...]",
    summary: PROTOCOL.dir.summary,
    flags: ["recursive", "time", "size"],
    arity: [0, Infinity],
    completes: ["remote"],
    examples: [["dir", "this directory"], ["dir -t 'reports/*.pdf'", "what matches, newest first"]],
    run: dir,
  },
  {
    name: "get",
    parameters: "[OPTION...] REMOTE... [LOCAL]",
    summary: "download files, patterns, or with -r directories; LOCAL - is standard output",
    flags: TRANSFER_FLAGS,
    arity: [1, Infinity],
    completes: ["remote source", ["remote source", "local"]],
    examples: [["get film.mkv", "into this directory; goes on with what an earlier try left"], [
      "get 'reports/*.pdf' papers/",
      "what matches, into papers",
    ], ["get -r photos backup", "a directory with everything in it, as backup/photos"]],
    run: async (invocation) => await (await import("./get_command.ts")).get(invocation),
  },
  {
    name: "put",
    parameters: "[OPTION...] LOCAL... [REMOTE]",
    summary: "upload files, patterns, or with -r directories; LOCAL - is standard input",
    flags: TRANSFER_FLAGS,
    arity: [1, Infinity],
    completes: ["local source", ["local source", "remote"]],
    examples: [["put a.txt b.txt papers/", "two files, into papers on the server"], [
      "put -r photos/ backup",
      "what is in a directory, into backup",
    ], ["put -r --delete --exclude '*.tmp' photos/ backup", "makes backup the same as photos; *.tmp stays as it is"]],
    run: async (invocation) => await (await import("./put_command.ts")).put(invocation),
  },
  {
    name: "cat",
    parameters: "NAME...",
    summary: "show text files",
    arity: [1, Infinity],
    completes: ["remote"],
    examples: [["cat notes.txt", "on a terminal with control characters escaped"], [
      "cat *.log",
      "several, one after the other",
    ]],
    run: cat,
  },
  {
    name: "stat",
    parameters: "[NAME...]",
    summary: PROTOCOL.stat.summary,
    arity: [0, Infinity],
    completes: ["remote"],
    examples: [["stat film.mkv", "one file"], ["stat", "this directory"]],
    run: stat,
  },
  {
    name: "sum",
    parameters: "NAME...",
    summary: PROTOCOL.sum.summary,
    arity: [1, Infinity],
    completes: ["remote"],
    examples: [["sum film.mkv", "a line as sha256sum prints it"], ["sum *.bin", "one for each that matches"]],
    run: sum,
  },
  {
    name: "df",
    parameters: "",
    summary: PROTOCOL.df.summary,
    arity: [0, 0],
    completes: [],
    examples: [],
    run: df,
  },
  {
    name: "mkdir",
    parameters: "[-p] NAME...",
    summary: PROTOCOL.mkdir.summary,
    flags: ["parents"],
    arity: [1, Infinity],
    completes: ["remote"],
    examples: [["mkdir papers", "one directory"], ["mkdir -p a/b/c d", "also those above; none need be new"]],
    run: mkdir,
  },
  {
    name: "rename",
    aliases: ["mv"],
    parameters: "NAME... TARGET",
    summary: `${PROTOCOL.rename.summary}, or several into a directory; never replaces anything`,
    arity: [2, Infinity],
    completes: ["remote"],
    examples: [["mv draft.txt final.txt", "another name"], ["mv a.txt '*.pdf' papers/", "into a directory"]],
    run: rename,
  },
  {
    name: "remove",
    aliases: ["rm"],
    parameters: "[-r] [-f] NAME...",
    summary: `${PROTOCOL.remove.summary}; with -r everything in it, too`,
    flags: ["recursive", "force"],
    arity: [1, Infinity],
    completes: ["remote"],
    examples: [["rm a.txt 'reports/*.pdf'", "files"], ["rm -r old", "a directory; at the prompt it asks first"]],
    run: remove,
  },
  {
    name: "cd",
    parameters: "[DIRECTORY]",
    summary: "change the directory on the server",
    arity: [0, 1],
    completes: ["remote directory"],
    examples: [["cd reports", "down"], ["cd ..", "up"], ["cd", "to the top"]],
    run: cd,
  },
  {
    name: "pwd",
    parameters: "",
    summary: "show the directory on the server",
    arity: [0, 0],
    completes: [],
    examples: [],
    run: pwd,
  },
  {
    name: "lcd",
    parameters: "[DIRECTORY]",
    summary: "change the directory on this side",
    arity: [0, 1],
    completes: ["local directory"],
    examples: [["lcd ../downloads", "where get puts files from now on"], ["lcd ..", "up"], ["lcd", "home"]],
    run: lcd,
  },
  {
    name: "lpwd",
    parameters: "",
    summary: "show the directory on this side",
    arity: [0, 0],
    completes: [],
    examples: [],
    run: lpwd,
  },
  {
    name: "lls",
    parameters: "[-t | -S] [DIRECTORY]",
    summary: "list a directory on this side",
    flags: ["time", "size"],
    arity: [0, 1],
    completes: ["local directory"],
    examples: [["lls", "where get puts files"], ["lls -t ~/downloads", "newest first"]],
    run: lls,
  },
  {
    name: "say",
    parameters: "TEXT...",
    summary: PROTOCOL.say.summary,
    arity: [1, Infinity],
    completes: [],
    examples: [["say thank you", "the operator reads it"], [
      "say the disk is nearly full, please look",
      "no quotes needed",
    ]],
    run: ({ shell, args, signal }) => shell.say(args.join(" "), signal),
  },
  {
    name: "open",
    parameters: "SERVER",
    summary: "leave this server for another: an address, a ticket, or the path of a ticket file",
    arity: [1, 1],
    completes: ["local"],
    examples: [["open 192.168.1.20:7878", "an address"], ["open ./office.ticket", "a ticket file"]],
    run: open,
  },
  {
    name: "status",
    parameters: "",
    summary: "show the server, what you may do there, and both directories",
    arity: [0, 0],
    completes: [],
    examples: [],
    run: status,
  },
  {
    name: "help",
    aliases: ["?"],
    parameters: "[COMMAND]",
    summary: "show this help, or that of one command",
    arity: [0, 1],
    completes: ["command"],
    examples: [["help", "all commands"], ["help get", "what get does, with its options"]],
    run: ({ shell, args: [name] }) =>
      help(shell.output, SHELL_COMMANDS, name === undefined ? undefined : findCommand(name)),
  },
  {
    name: "close",
    aliases: ["quit", "exit", "bye"],
    parameters: "",
    summary: "end the session and leave",
    arity: [0, 0],
    completes: [],
    examples: [],
    run: ({ shell }) => {
      shell.leaving = true;
    },
  },
];

/** @throws {UsageError} When there is no command of that name. */
function findCommand(name: string): ShellCommand {
  const found = SHELL_COMMANDS.find((command) => namesOf(command).includes(name));
  if (found) return found;
  const hint = didYouMean(name, SHELL_COMMANDS.flatMap(namesOf));
  throw new UsageError(`There is no command ${printable(name)}${hint || '; "help" lists them'}`);
}

/** All names of a command. */
export function namesOf({ name, aliases = [] }: ShellCommand): readonly string[] {
  return [name, ...aliases];
}

/** Whether the words after a command's name ask for its help. */
function asksForHelp(words: readonly string[], { flags }: ShellCommand): boolean {
  // Without options, a word may be anything else.
  if (!flags) return words.length === 1 && words[0] === "--help";
  const end = words.indexOf("--");
  return words.slice(0, end < 0 ? undefined : end).includes("--help");
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
  const command = findCommand(name);
  if (asksForHelp(rest, command)) return await help(shell.output, SHELL_COMMANDS, command);
  const { args, flags } = parseFlags(rest, command.name, command.flags ?? []);
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
