import { parseArgs } from "@std/cli/parse-args";
import type { Limits } from "../../access/limits.ts";
import type { Policy, Role } from "../../access/policy.ts";
import { DEFAULT_PORT } from "../../protocol/constants.ts";
import { LIMIT_NAMES, parseLimits } from "./limit_options.ts";
import { type Enquiry, parsePort, requireValues, unknownFlag } from "../terminal/options.ts";
import { UsageError } from "../terminal/usage.ts";

/** What the server's command line says. */
export interface ServerArguments {
  readonly directory: string;
  readonly hostname: string;
  readonly port: number;
  readonly policy: Policy;
  readonly limits: Partial<Limits>;
  readonly json: boolean;
  readonly quiet: boolean;
  /** Sync every upload to the disk. */
  readonly durable: boolean;
  /** No TLS and no secret, on any address. */
  readonly insecure: boolean;
  /** The file with the certificate and the secret. */
  readonly identity: string | undefined;
  /** The files with the operator's own certificate and key. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** The files with the roles' secrets. */
  readonly secretFiles: Readonly<Record<Role, string | undefined>>;
  /** The file for the tickets; `-` is standard output. */
  readonly ticketFile: string | undefined;
  /** Names and addresses for the tickets. */
  readonly addresses: readonly string[];
  /** The file of the audit log. */
  readonly audit: string | undefined;
}

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

const BOOLEANS = [
  "read-only",
  "upload-only",
  "no-overwrite",
  "no-delete",
  "durable",
  "quiet",
  "insecure",
  "help",
  "version",
] as const;

/** Turns `--ticket-file -` into `--ticket-file=-`: `parseArgs` takes a bare `-` for no value. */
function joinDash(args: readonly string[]): string[] {
  const isDash = (i: number) => args[i - 1] === "--ticket-file" && args[i] === "-";
  return args.flatMap((argument, i) => isDash(i) ? [] : isDash(i + 1) ? [`${argument}=-`] : [argument]);
}

/** @throws {UsageError} */
export function parseServerArguments(args: string[]): ServerArguments | Enquiry {
  const flags = parseArgs(joinDash(args), {
    string: [...STRINGS, ...LIMIT_NAMES, "_"],
    boolean: BOOLEANS,
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
  const [tlsCert, tlsKey] = [flags["tls-cert"], flags["tls-key"]];
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new UsageError("--tls-cert and --tls-key go together");
  return {
    directory,
    hostname: flags.host,
    port: parsePort(flags.port),
    policy: { readOnly, uploadOnly, noOverwrite: flags["no-overwrite"], noDelete: flags["no-delete"] },
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
    },
    ticketFile: flags["ticket-file"],
    addresses: flags.address.map(String),
    audit: flags.audit,
  };
}
