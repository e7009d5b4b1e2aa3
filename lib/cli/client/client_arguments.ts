import { parseArgs } from "@std/cli/parse-args";
import { type Enquiry, requireValues, unknownFlag } from "../terminal/options.ts";
import { parseRate } from "../terminal/quantities.ts";
import { type Address, parseAddress } from "./server_address.ts";

/** What the client's command line says. */
export interface ClientArguments {
  readonly address: Address | undefined;
  /** The file with the secret. */
  readonly secretFile: string | undefined;
  /** The file with more authorities' certificates to trust. */
  readonly caFile: string | undefined;
  /** Neither encryption nor a secret, whatever the address. */
  readonly insecure: boolean;
  /** Limit for all connections together, in bytes per second; none if absent. */
  readonly bytesPerSecond: number | undefined;
  /** The command and its arguments; empty for a prompt. */
  readonly words: string[];
}

/** The words after `--`. If it comes after the command's name it belongs to the command, and stays. */
function afterDashes(args: string[], { _: before, "--": after }: { _: unknown[]; "--": string[] }): string[] {
  return args.includes("--") && before.length > 1 ? ["--", ...after] : after;
}

/** @throws {UsageError} */
export function parseClientArguments(args: string[]): ClientArguments | Enquiry {
  const strings = ["secret-file", "ca", "limit-rate"] as const;
  const flags = parseArgs(args, {
    boolean: ["insecure", "help", "version"],
    string: [...strings, "_"],
    stopEarly: true,
    "--": true,
    unknown: unknownFlag,
  });
  if (flags.help) return "help";
  if (flags.version) return "version";
  requireValues(flags, strings);
  const [address, ...words] = [...flags._.map(String), ...afterDashes(args, flags)];
  const rate = flags["limit-rate"];
  return {
    address: address === undefined ? undefined : parseAddress(address),
    secretFile: flags["secret-file"],
    caFile: flags.ca,
    insecure: flags.insecure,
    bytesPerSecond: rate === undefined ? undefined : parseRate("limit-rate", rate),
    words,
  };
}
