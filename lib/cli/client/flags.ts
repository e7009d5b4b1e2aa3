import { parseArgs } from "@std/cli/parse-args";
import { quote } from "../../core/text.ts";
import type { CopyOptions } from "../../transfer/copy.ts";
import { DEFAULT_RETRY_MS } from "../../transfer/retry.ts";
import { parseCount, parseDuration } from "../terminal/quantities.ts";
import { UsageError } from "../terminal/usage.ts";
import { isClientOption } from "./client_options.ts";
import { didYouMean } from "../terminal/suggestion.ts";

/** The options that commands can have. */
const FLAGS = {
  recursive: { alias: "r", help: "include everything below" },
  time: { alias: "t", help: "newest first" },
  size: { alias: "S", help: "largest first" },
  parents: { alias: "p", help: "also make the directories above; none need be new" },
  force: { alias: "f", help: "do not ask, and do not mind what is not there" },
  all: { help: "send files of a tree or pattern also when size and time are the same" },
  update: { alias: "u", help: "skip files that are newer at the target, or the same" },
  checksum: { help: "compare contents, not sizes and times" },
  exclude: {
    value: "PATTERN",
    repeats: true,
    help: "leave out what matches, a directory with all in it; a pattern with a / is a path from the top",
  },
  include: {
    value: "PATTERN",
    repeats: true,
    help: "take what matches; the first of these options that matches decides",
  },
  "exclude-from": { value: "FILE", repeats: true, help: "exclude the patterns in FILE, one per line" },
  delete: { help: "remove what only the target has, once all is there" },
  "dry-run": { alias: "n", help: "only show what would be done" },
  "no-clobber": { help: "never replace a file" },
  verify: { help: "read both files back from the disk and compare their SHA-256" },
  durable: { help: "sync each file to the disk before it counts as done" },
  "retry-for": { value: "TIME", help: "reconnect for so long without progress (5m); 0: never" },
  connections: { value: "N", help: "use N connections for a tree or a large file (1)" },
} as const;

/** The name of an option. */
export type FlagName = keyof typeof FLAGS;

/** An option that says which parts of a tree are taken, and its value. */
interface RuleOption {
  readonly name: "exclude" | "include" | "exclude-from";
  readonly value: string;
}

/** The options of one command as they were typed. */
export interface Flags {
  readonly recursive: boolean;
  readonly time: boolean;
  readonly size: boolean;
  readonly parents: boolean;
  readonly force: boolean;
  readonly all: boolean;
  readonly update: boolean;
  readonly checksum: boolean;
  /** Those that say which parts of a tree are taken, in the order in which they were typed. */
  readonly rules: readonly RuleOption[];
  readonly delete: boolean;
  readonly dryRun: boolean;
  readonly noClobber: boolean;
  readonly verify: boolean;
  readonly durable: boolean;
  /** In ms. */
  readonly retryFor: number;
  readonly connections: number;
  /** Those that were typed. */
  readonly given: readonly FlagName[];
}

function wasTyped(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}

const MAX_CONNECTIONS = 64;

function number(name: FlagName, typed: unknown, least: number, most: number, usual: number): number {
  return typed === undefined ? usual : parseCount(name, String(typed), least, most);
}

/** Whether a word as it was typed is an option that some command has: `--recursive`, `-r`. */
export function isFlag(word: string): boolean {
  return Object.entries(FLAGS).some(([name, flag]) =>
    [`--${name}`, ..."alias" in flag ? [`-${flag.alias}`] : []].includes(word.split("=")[0] ?? "")
  );
}

function unknownOption(typed: string, command: string, allowed: readonly FlagName[]): UsageError {
  const [name = ""] = typed.split("=");
  if (isClientOption(name)) {
    return new UsageError(
      `${quote(name)} is no option of ${command}, but of the client: it belongs before the command`,
    );
  }
  const hint = didYouMean(name, allowed.map((name) => `--${name}`));
  return new UsageError(`The option ${quote(typed)} does not exist for ${command}${hint}`);
}

/** Such options in the order in which they were typed, which `parseArgs` keeps for each of the names only. */
function rulesOf(words: readonly string[], typed: Readonly<Record<string, unknown>>): RuleOption[] {
  const end = words.indexOf("--");
  const values = (name: string) => Array.isArray(typed[name]) ? typed[name].map(String) : [];
  const left = { exclude: values("exclude"), include: values("include"), "exclude-from": values("exclude-from") };
  return words.slice(0, end === -1 ? words.length : end).flatMap((word) => {
    const name = (["exclude", "include", "exclude-from"] as const).find((each) => word.split("=")[0] === `--${each}`);
    const value = name && left[name].shift();
    if (name === undefined || value === undefined) return [];
    if (value === "") throw new UsageError(`--${name} needs a value; write --${name}=VALUE if it begins with a dash`);
    return [{ name, value }];
  });
}

/**
 * Takes the options out of a command's words.
 *
 * @param command The name of the command, for messages.
 * @param allowed The options that the command has; when it has none, the words are left as they are.
 * @throws {UsageError} For an option that it does not have, or a value that does not fit.
 */
export function parseFlags(
  words: string[],
  command: string,
  allowed: readonly FlagName[],
): { args: string[]; flags: Flags } {
  const names = allowed.filter((name) => !("value" in FLAGS[name]));
  const values = allowed.filter((name) => "value" in FLAGS[name]);
  const alias: Record<string, string> = {};
  for (const name of allowed) {
    const flag = FLAGS[name];
    if ("alias" in flag) alias[name] = flag.alias;
  }
  const typed: Record<string, unknown> = parseArgs(allowed.length > 0 || words[0] === "--" ? words : ["--", ...words], {
    boolean: names,
    string: [...values, "_"],
    collect: values.filter((name) => "repeats" in FLAGS[name]),
    alias,
    unknown(argument, key) {
      if (key !== undefined) throw unknownOption(argument, command, allowed);
    },
  });
  const flags = {
    recursive: typed.recursive === true,
    time: typed.time === true,
    size: typed.size === true,
    parents: typed.parents === true,
    force: typed.force === true,
    all: typed.all === true,
    update: typed.update === true,
    checksum: typed.checksum === true,
    rules: rulesOf(words, typed),
    delete: typed.delete === true,
    dryRun: typed["dry-run"] === true,
    noClobber: typed["no-clobber"] === true,
    verify: typed.verify === true,
    durable: typed.durable === true,
    retryFor: typed["retry-for"] === undefined
      ? DEFAULT_RETRY_MS
      : parseDuration("retry-for", String(typed["retry-for"]), 0),
    connections: number("connections", typed.connections, 1, MAX_CONNECTIONS, 1),
    given: allowed.filter((name) => wasTyped(typed[name])),
  };
  return { args: Array.isArray(typed._) ? typed._.map(String) : [], flags };
}

/** What the value of an option is called, if the word is that option and its value is the next word. */
export function nextValue(name: FlagName, word: string): string | undefined {
  const flag = FLAGS[name];
  return "value" in flag && word === `--${name}` ? flag.value : undefined;
}

/** Each option as it is typed, and what it does. */
export function flagRows(allowed: readonly FlagName[]): [string, string][] {
  return allowed.map((name) => {
    const flag = FLAGS[name];
    const long = `--${name}${"value" in flag ? ` ${flag.value}` : ""}`;
    return ["alias" in flag ? `-${flag.alias}, ${long}` : long, flag.help];
  });
}

/** The options of a transfer as the library has them. What is named by itself is sent again; a tree is not. */
export function copyOptions(flags: Flags): CopyOptions {
  const { recursive, all, update, checksum, dryRun, noClobber, verify, durable, connections } = flags;
  return { same: recursive && !all, update, checksum, dryRun, verify, durable, overwrite: !noClobber, connections };
}
