import { parseArgs } from "@std/cli/parse-args";
import { type Enquiry, requireValues } from "../terminal/options.ts";
import { parseRate } from "../terminal/quantities.ts";
import { quote } from "../../core/text.ts";
import { UsageError } from "../terminal/usage.ts";
import { CLIENT_SWITCHES, CLIENT_VALUES } from "./client_options.ts";
import { isFlag } from "./flags.ts";
import { type Address, parseAddress } from "./server_address.ts";
import { didYouMean } from "../terminal/suggestion.ts";

/** What the client's command line says. */
export interface ClientArguments {
  readonly address: Address | undefined;
  /** The file with the secret. */
  readonly secretFile: string | undefined;
  /** The file with more authorities' certificates to trust. */
  readonly caFile: string | undefined;
  /** Neither encryption nor a secret, whatever the address. */
  readonly insecure: boolean;
  /** Whether the prompt keeps its history. */
  readonly history: boolean;
  /** Limit for all connections together, in bytes per second; none if absent. */
  readonly bytesPerSecond: number | undefined;
  /** The command and its arguments; empty for a prompt. */
  readonly words: string[];
}

/** How many of the words are options, with their values; a `--` after them counts. */
function countOptions(words: readonly string[]): number {
  let count = 0;
  while (count < words.length) {
    const word = words[count] ?? "";
    if (word === "--") return count + 1;
    if (!word.startsWith("-") || word === "-") return count;
    count += CLIENT_VALUES.some((name) => word === `--${name}`) ? 2 : 1;
  }
  return words.length;
}

/** @throws {UsageError} For an option that the client does not have. */
function refuseUnknown(argument: string, key?: string): void {
  if (key === undefined) return;
  if (isFlag(argument)) {
    throw new UsageError(`${quote(argument)} is an option of a command, and belongs after the command's name`);
  }
  const hint = didYouMean(
    argument.split("=")[0] ?? "",
    [...CLIENT_SWITCHES, ...CLIENT_VALUES].map((name) => `--${name}`),
  );
  throw new UsageError(`the option ${quote(argument)} does not exist${hint || "; try --help"}`);
}

/**
 * Parses `[OPTION...] SERVER [OPTION...] COMMAND [ARGUMENT...]`. What follows the command's name is the command's.
 *
 * @throws {UsageError}
 */
export function parseClientArguments(args: readonly string[]): ClientArguments | Enquiry {
  const before = countOptions(args);
  const [address, ...rest] = args.slice(before);
  const behind = countOptions(rest);
  const options = [...args.slice(0, before), ...rest.slice(0, behind)].filter((word) => word !== "--");
  const flags = parseArgs(options, { boolean: CLIENT_SWITCHES, string: CLIENT_VALUES, unknown: refuseUnknown });
  if (flags.help) return "help";
  if (flags.version) return "version";
  requireValues(flags, CLIENT_VALUES);
  const rate = flags["limit-rate"];
  return {
    address: address === undefined ? undefined : parseAddress(address),
    secretFile: flags["secret-file"],
    caFile: flags.ca,
    insecure: flags.insecure,
    history: !flags["no-history"],
    bytesPerSecond: rate === undefined ? undefined : parseRate("limit-rate", rate),
    words: rest.slice(behind),
  };
}
