import { parseArgs } from "@std/cli/parse-args";
import { isIPv6 } from "node:net";
import { certificatePem } from "../../auth/certificate.ts";
import type { RateLimit } from "../../transport/rate_limit.ts";
import type { Secret } from "../../auth/secret.ts";
import { decodeTicket, isTicket } from "../../auth/ticket.ts";
import { cannot, toFerryError } from "../../core/errors.ts";
import { quote } from "../../core/text.ts";
import { DEFAULT_PORT } from "../../protocol/constants.ts";
import { parseRate } from "../terminal/quantities.ts";
import { UsageError } from "../terminal/usage.ts";

/** Where a server is, and how to meet it there. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
  readonly otherHostnames?: readonly string[];
  readonly certificate?: string | undefined;
  /** Encrypt, and trust authorities rather than one certificate. */
  readonly tls?: { readonly ca?: string | undefined } | undefined;
  readonly secret?: Secret | undefined;
  /** What all connections together may use. */
  readonly rate?: RateLimit | undefined;
}

/** What the client's command line says. */
export interface ClientArguments {
  readonly address: Address | undefined;
  /** The file that holds the secret. */
  readonly secretFile: string | undefined;
  /** The file with the certificates of authorities to trust besides the usual ones. */
  readonly caFile: string | undefined;
  /** Neither encryption nor a secret, whatever the address. */
  readonly insecure: boolean;
  /** What all connections together may use, in bytes per second; as much as there is when absent. */
  readonly bytesPerSecond: number | undefined;
  /** The command and its arguments; empty for a prompt. */
  readonly words: string[];
}

/** A question that is answered without doing anything else. */
export type Enquiry = "help" | "version";

const MAX_PORT = 65535;

/** A longer word may be a secret or a ticket that was mistyped, and is not repeated. A secret has 26 characters. */
const MAX_SHOWN_LENGTH = 20;

function shown(text: string): string {
  return text.length <= MAX_SHOWN_LENGTH ? quote(text) : `what has ${text.length} characters`;
}

/** @throws {UsageError} Unless `text` is a whole number from 0 to 65535. */
export function parsePort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_PORT) return Number(text);
  throw new UsageError(`${shown(text)} is not a port; it must be a number from 0 to ${MAX_PORT}`);
}

function fromTicket(text: string): Address {
  try {
    const { addresses, port, certificate, secret } = decodeTicket(text);
    const [hostname = "", ...otherHostnames] = addresses;
    const trust = certificate ? { certificate: certificatePem(certificate) } : { tls: {} };
    return { hostname, otherHostnames, port, secret, ...trust };
  } catch (error) {
    throw new UsageError(toFerryError(error).message);
  }
}

/** The longest file that is taken for one with a ticket in it, in bytes. */
const MAX_TICKET_FILE_BYTES = 64 * 1024;

function readTicket(path: string): string {
  let text = "";
  try {
    const { isFile, size } = Deno.statSync(path);
    if (isFile && size <= MAX_TICKET_FILE_BYTES) text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new UsageError(cannot("read the ticket in", path, error).message);
  }
  if (isTicket(text)) return text;
  throw new UsageError(`there is no ticket in ${quote(path)}`);
}

/**
 * Parses `HOST`, `HOST:PORT`, `[IPV6]:PORT`, a bare IPv6 address, a ticket, or the path of a file that holds one. A
 * path has a `/` in it, which nothing else has.
 *
 * @throws {UsageError} When it is none of these.
 */
export function parseAddress(text: string): Address {
  if (isTicket(text)) return fromTicket(text);
  if (text.includes("/")) return fromTicket(readTicket(text));
  if (isIPv6(text)) return { hostname: text, port: DEFAULT_PORT };
  const { host, bracketed, port } =
    /^(?:\[(?<bracketed>[^\]]+)\]|(?<host>[^:[\]\s]+))(?::(?<port>.*))?$/.exec(text)?.groups ?? {};
  const hostname = bracketed !== undefined && isIPv6(bracketed) ? bracketed : host;
  if (hostname === undefined) {
    throw new UsageError(`${shown(text)} is not an address; write HOST, HOST:PORT, [IPV6]:PORT or a ticket`);
  }
  return { hostname, port: port === undefined ? DEFAULT_PORT : parsePort(port) };
}

/** Rejects flags that do not exist; for `parseArgs`. @throws {UsageError} */
export function unknownFlag(argument: string, key?: string): void {
  if (key !== undefined) throw new UsageError(`the option ${quote(argument)} does not exist; try --help`);
}

/** Rejects flags that were given without their value. @throws {UsageError} */
export function requireValues(values: Record<string, unknown>, names: readonly string[]): void {
  for (const name of names) {
    const value = values[name];
    if (value === "" || (Array.isArray(value) && value.includes(""))) throw new UsageError(`--${name} needs a value`);
  }
}

/** @throws {UsageError} */
export function parseClientArguments(args: string[]): ClientArguments | Enquiry {
  const strings = ["secret-file", "ca", "limit-rate"] as const;
  const flags = parseArgs(args, {
    boolean: ["insecure", "help", "version"],
    string: [...strings, "_"],
    stopEarly: true,
    unknown: unknownFlag,
  });
  if (flags.help) return "help";
  if (flags.version) return "version";
  requireValues(flags, strings);
  const [address, ...words] = flags._.map(String);
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
