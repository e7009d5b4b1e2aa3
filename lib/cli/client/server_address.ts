import { isIPv6 } from "node:net";
import type { Secret } from "../../auth/secret.ts";
import { decodeTicket, isTicket } from "../../auth/ticket.ts";
import { cannot, toFerryError } from "../../core/errors.ts";
import { quote } from "../../core/text.ts";
import { DEFAULT_PORT } from "../../protocol/constants.ts";
import type { RateLimit } from "../../transport/rate_limit.ts";
import { explain } from "../terminal/explain.ts";
import { parsePort, shown } from "../terminal/options.ts";
import { readPrivateFile } from "../terminal/private_files.ts";
import { ask } from "../terminal/question.ts";
import { messages } from "../terminal/terminal.ts";
import { UsageError } from "../terminal/usage.ts";
import { expandHome } from "./home_directory.ts";

/** Where a server is, and how to connect to it. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
  readonly otherHostnames?: readonly string[];
  /** The hash of the key that the server must have. */
  readonly keyHash?: Uint8Array | undefined;
  /** Encrypt, and trust authorities instead of one key. */
  readonly tls?: { readonly ca?: string | undefined } | undefined;
  readonly secret?: Secret | undefined;
  /** Limit for all connections together. */
  readonly rate?: RateLimit | undefined;
}

function fromTicket(text: string): Address {
  try {
    const { addresses, port, keyHash, secret } = decodeTicket(text);
    const [hostname = "", ...otherHostnames] = addresses;
    const trust = keyHash ? { keyHash } : { tls: {} };
    return { hostname, otherHostnames, port, secret, ...trust };
  } catch (error) {
    throw new UsageError(toFerryError(error).message);
  }
}

function readTicket(path: string): string {
  try {
    const text = readPrivateFile(path);
    if (isTicket(text)) return text;
  } catch (error) {
    throw new UsageError(cannot("read the ticket in", path, error).message);
  }
  throw new UsageError(`there is no ticket in ${quote(path)}`);
}

/** Whether a name is that of a file here with a ticket, and lacks only the `./`. */
function isTicketFile(name: string): boolean {
  try {
    const { state } = Deno.permissions.querySync({ name: "read", path: name });
    return state === "granted" && isTicket(readPrivateFile(name));
  } catch {
    return false;
  }
}

/**
 * Parses `HOST`, `HOST:PORT`, `[IPV6]:PORT`, a bare IPv6 address, a ticket, or the path of a ticket file. Only a path
 * contains a `/`.
 *
 * @throws {UsageError} If it is none of these, or other users may read the file.
 */
export function parseAddress(text: string): Address {
  if (isTicket(text)) return fromTicket(text);
  if (text.includes("/")) return fromTicket(readTicket(text));
  if (isTicketFile(text)) {
    throw new UsageError(
      `${quote(text)} is no address; for the ticket in the file of that name, write ${quote(`./${text}`)}`,
    );
  }
  if (isIPv6(text)) return { hostname: text, port: DEFAULT_PORT };
  const { host, bracketed, port } =
    /^(?:\[(?<bracketed>[^\]]+)\]|(?<host>[^:[\]\s]+))(?::(?<port>.*))?$/.exec(text)?.groups ?? {};
  const hostname = bracketed !== undefined && isIPv6(bracketed) ? bracketed : host;
  if (hostname === undefined) {
    throw new UsageError(`${shown(text)} is not an address; write HOST, HOST:PORT, [IPV6]:PORT or a ticket`);
  }
  return { hostname, port: port === undefined ? DEFAULT_PORT : parsePort(port) };
}

/** Whether an address that was typed says the port, too. */
function saysPort(text: string): boolean {
  return isTicket(text) || text.includes("/") || (!isIPv6(text) && /:[^\]]*$/.test(text));
}

/**
 * Asks for an address, with defaults.
 *
 * @returns Undefined when the input ends.
 */
export async function askAddress(): Promise<Address | undefined> {
  for (;;) {
    const answer = await ask("Host or ticket [127.0.0.1]: ");
    if (answer === undefined) return undefined;
    try {
      const address = parseAddress(expandHome(answer.trim()) || "127.0.0.1");
      if (saysPort(answer.trim())) return address;
      const port = await ask(`Port [${DEFAULT_PORT}]: `);
      if (port === undefined) return undefined;
      return { ...address, port: parsePort(port.trim() || String(DEFAULT_PORT)) };
    } catch (error) {
      messages.line(explain(error).message);
    }
  }
}
