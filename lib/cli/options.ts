import { parseArgs } from "@std/cli/parse-args";
import { isIPv6 } from "node:net";
import { certificatePem } from "../net/certificate.ts";
import type { Secret } from "../net/secret.ts";
import { decodeTicket, isTicket } from "../net/ticket.ts";
import { toFerryError } from "../protocol/errors.ts";
import { quote } from "../protocol/text.ts";
import { DEFAULT_PORT } from "../server/server.ts";

/** The command line cannot be understood; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Where a server is, and what a ticket says besides. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
  readonly otherHostnames?: readonly string[];
  readonly certificate?: string | undefined;
  readonly secret?: Secret;
}

/** What the server's command line says. */
export interface ServerArguments {
  readonly directory: string;
  readonly hostname: string;
  readonly port: number;
  readonly readOnly: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  /** Sync every upload to the disk. */
  readonly durable: boolean;
  /** No TLS and no secret, on any address. */
  readonly insecure: boolean;
  /** The file that holds certificate and secret. */
  readonly identity: string | undefined;
  readonly ticketFile: string | undefined;
  /** Names and addresses that clients use, for the ticket. */
  readonly addresses: readonly string[];
}

/** What the client's command line says. */
export interface ClientArguments {
  readonly address: Address | undefined;
  /** The command and its arguments; empty for a prompt. */
  readonly words: string[];
}

/** A question that is answered without doing anything else. */
export type Enquiry = "help" | "version";

const MAX_PORT = 65535;

/** @throws {UsageError} Unless `text` is a whole number from 0 to 65535. */
export function parsePort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_PORT) return Number(text);
  throw new UsageError(`${quote(text)} is not a port; it must be a number from 0 to ${MAX_PORT}`);
}

function fromTicket(text: string): Address {
  try {
    const { addresses, port, certificate, secret } = decodeTicket(text);
    const [hostname = "", ...otherHostnames] = addresses;
    return { hostname, otherHostnames, port, secret, certificate: certificate && certificatePem(certificate) };
  } catch (error) {
    throw new UsageError(toFerryError(error).message);
  }
}

/**
 * Parses `HOST`, `HOST:PORT`, `[IPV6]:PORT`, a bare IPv6 address, or a ticket.
 *
 * @throws {UsageError} When it is none of these.
 */
export function parseAddress(text: string): Address {
  if (isTicket(text)) return fromTicket(text);
  if (isIPv6(text)) return { hostname: text, port: DEFAULT_PORT };
  const { host, bracketed, port } =
    /^(?:\[(?<bracketed>[^\]]+)\]|(?<host>[^:[\]\s]+))(?::(?<port>.*))?$/.exec(text)?.groups ?? {};
  const hostname = bracketed !== undefined && isIPv6(bracketed) ? bracketed : host;
  if (hostname === undefined) {
    throw new UsageError(`${quote(text)} is not an address; write HOST, HOST:PORT or [IPV6]:PORT`);
  }
  return { hostname, port: port === undefined ? DEFAULT_PORT : parsePort(port) };
}

/** Rejects flags that do not exist. */
function unknownFlag(argument: string, key?: string): void {
  if (key !== undefined) throw new UsageError(`the option ${quote(argument)} does not exist; try --help`);
}

function requireValues(values: Record<string, unknown>, names: readonly string[]): void {
  for (const name of names) {
    const value = values[name];
    if (value === "" || (Array.isArray(value) && value.includes(""))) throw new UsageError(`--${name} needs a value`);
  }
}

/** @throws {UsageError} */
export function parseServerArguments(args: string[]): ServerArguments | Enquiry {
  const strings = ["host", "port", "log-format", "identity", "ticket-file", "address"] as const;
  const flags = parseArgs(args, {
    string: [...strings, "_"],
    boolean: ["read-only", "durable", "quiet", "insecure", "help", "version"],
    collect: ["address"],
    default: { host: "127.0.0.1", port: String(DEFAULT_PORT), "log-format": "text" },
    unknown: unknownFlag,
  });
  if (flags.help) return "help";
  if (flags.version) return "version";
  requireValues(flags, strings);
  if (flags._.length > 1) throw new UsageError("only one directory can be served");
  const format = flags["log-format"];
  if (format !== "text" && format !== "json") throw new UsageError("--log-format must be text or json");
  const directory = String(flags._[0] ?? "./files");
  if (directory === "") throw new UsageError("the directory's name is empty");
  return {
    directory,
    hostname: flags.host,
    port: parsePort(flags.port),
    readOnly: flags["read-only"],
    json: format === "json",
    quiet: flags.quiet,
    durable: flags.durable,
    insecure: flags.insecure,
    identity: flags.identity,
    ticketFile: flags["ticket-file"],
    addresses: flags.address.map(String),
  };
}

/** @throws {UsageError} */
export function parseClientArguments(args: string[]): ClientArguments | Enquiry {
  const flags = parseArgs(args, { boolean: ["help", "version"], string: ["_"], stopEarly: true, unknown: unknownFlag });
  if (flags.help) return "help";
  if (flags.version) return "version";
  const [address, ...words] = flags._.map(String);
  return { address: address === undefined ? undefined : parseAddress(address), words };
}
