import { parseArgs } from "@std/cli/parse-args";
import type { Policy, Role } from "../../access/policy.ts";
import { DEFAULT_PORT } from "../../protocol/constants.ts";
import { LIMIT_NAMES, parseLimits } from "./limit_options.ts";
import { type Enquiry, parsePort, requireValues, unknownFlag } from "../terminal/options.ts";
import { UsageError } from "../terminal/usage.ts";

/** What the server's command line says. */
export type ServerArguments = Exclude<ReturnType<typeof parseServerArguments>, Enquiry>;

const STRINGS = [
  "host",
  "port",
  "log-format",
  "identity",
  "tls-cert",
  "tls-key",
  "secret-file",
  "read-secret-file",
  "upload-secret-file",
  "ticket-file",
  "address",
  "audit",
] as const;

/** Turns `--ticket-file -` into `--ticket-file=-`: `parseArgs` takes a bare `-` for no value. */
function joinDash(args: readonly string[]): string[] {
  const isDash = (i: number) => args[i - 1] === "--ticket-file" && args[i] === "-";
  return args.flatMap((argument, i) => isDash(i) ? [] : isDash(i + 1) ? [`${argument}=-`] : [argument]);
}

/** @throws {UsageError} */
export function parseServerArguments(args: string[]) {
  const flags = parseArgs(joinDash(args), {
    string: [...STRINGS, ...LIMIT_NAMES, "_"],
    boolean: [
      "read-only",
      "upload-only",
      "no-overwrite",
      "no-delete",
      "durable",
      "quiet",
      "insecure",
      "help",
      "version",
    ],
    collect: ["address"],
    default: { host: "127.0.0.1", port: String(DEFAULT_PORT), "log-format": "text" },
    unknown: unknownFlag,
  });
  if (flags.help) return "help";
  if (flags.version) return "version";
  requireValues(flags, [...STRINGS, ...LIMIT_NAMES]);
  if (flags._.length > 1) throw new UsageError("only one directory can be served");
  const format = flags["log-format"];
  if (format !== "text" && format !== "json") throw new UsageError("--log-format must be text or json");
  const directory = String(flags._[0] ?? "./files");
  if (directory === "") throw new UsageError("the directory's name is empty");
  const [readOnly, uploadOnly] = [flags["read-only"], flags["upload-only"]];
  if (readOnly && uploadOnly) throw new UsageError("--read-only and --upload-only together leave nothing to do");
  const policy: Policy = { readOnly, uploadOnly, noOverwrite: flags["no-overwrite"], noDelete: flags["no-delete"] };
  const [tlsCert, tlsKey] = [flags["tls-cert"], flags["tls-key"]];
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new UsageError("--tls-cert and --tls-key go together");
  return {
    directory,
    hostname: flags.host,
    port: parsePort(flags.port),
    policy,
    limits: parseLimits(flags),
    json: format === "json",
    quiet: flags.quiet,
    durable: flags.durable,
    insecure: flags.insecure,
    identity: flags.identity,
    tlsCert,
    tlsKey,
    secretFiles: {
      full: flags["secret-file"],
      read: flags["read-secret-file"],
      upload: flags["upload-secret-file"],
    } satisfies Record<Role, string | undefined>,
    ticketFile: flags["ticket-file"],
    /** Names and addresses for the tickets. */
    addresses: flags.address.map(String),
    audit: flags.audit,
  };
}
