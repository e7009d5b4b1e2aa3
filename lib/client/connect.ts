import { Buffer } from "node:buffer";
import { awaitTls, damagedCertificate, greetServer } from "../auth/handshake.ts";
import type { Secret } from "../auth/secret.ts";
import { FerryError, hasCode, ownWords, toFerryError } from "../core/errors.ts";
import { eitherSignal } from "../core/unless_aborted.ts";
import type { Welcome } from "../protocol/codec.ts";
import { formatAddress, isLoopback } from "../transport/address.ts";
import { Connection } from "../transport/connection.ts";
import type { RateLimit } from "../transport/rate_limit.ts";
import { certificatePem, keyHashOf } from "../transport/tls.ts";
import { connectTls, NOT_THE_TICKETS, type SecureLink } from "../transport/tls_client.ts";

/** How long the server may take to accept a connection and to say hello, in ms. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Where and how to connect. */
export interface ServerOptions {
  /** The name or address of the server. */
  readonly hostname: string;
  /** The port that it listens on. */
  readonly port: number;
  /** Other names and addresses of the same server, tried in turn when nobody answers. */
  readonly otherHostnames?: readonly string[] | undefined;
  /** The hash of the key that the server must have, from its ticket; see `keyHashOf`. */
  readonly keyHash?: Uint8Array | undefined;
  /**
   * Accept a certificate that is good for the server's name, from an authority that this computer trusts or one of `ca`
   * (PEM). Without this and `keyHash` nothing is encrypted.
   */
  readonly tls?: { readonly ca?: string | undefined } | undefined;
  /** What the server wants to be known. It is not used without encryption, except on loopback. */
  readonly secret?: Secret | undefined;
  /** What the bandwidth is limited to, all connections with the same limit together. */
  readonly rate?: RateLimit | undefined;
}

/** A connection on which both sides have said hello. */
export interface OpenConnection {
  readonly connection: Connection;
  /** What the server allows. */
  readonly welcome: Welcome;
}

/**
 * Connects to a server.
 *
 * @param signal Gives up connecting when it is aborted.
 * @throws {FerryError} `Unreachable` when nobody answers there or it is not a Ferry server; `Unauthorized` when either
 * end does not trust the other; `Unsupported` when it speaks another version; `Cancelled`.
 */
export async function openConnection(options: ServerOptions, signal?: AbortSignal): Promise<OpenConnection> {
  let failure: unknown;
  for (const hostname of [options.hostname, ...options.otherHostnames ?? []]) {
    try {
      return await openTo(hostname, options, signal);
    } catch (error) {
      // Something else may answer at one address; it has learned nothing.
      if (!(error instanceof FerryError) || error.code === "Cancelled") throw error;
      failure ??= error;
    }
  }
  throw failure;
}

async function openTo(
  hostname: string,
  options: ServerOptions,
  cancelled: AbortSignal | undefined,
): Promise<OpenConnection> {
  const { port, secret, rate, keyHash, tls } = options;
  const where = formatAddress({ hostname, port });
  const timeout = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const signal = eitherSignal(cancelled, timeout);
  let connection: Connection | undefined;
  const abort = () => connection?.close();
  try {
    const conn = await Deno.connect({ hostname, port, signal });
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
    connection = new Connection(conn, rate ? [rate] : []);
    signal.addEventListener("abort", abort);
    const link = keyHash || tls
      ? await encrypt(conn, await awaitTls(connection), hostname, options, signal)
      : undefined;
    if (link) connection = new Connection(link.conn, rate ? [rate] : []);
    // An abort before this line has closed the connection below the encryption only.
    signal.throwIfAborted();
    if (!link && secret && !isLoopback(conn.remoteAddr.hostname)) {
      throw new FerryError("Unauthorized", "a secret is not used without encryption");
    }
    const welcome = await greetServer(connection, { secret, certificate: link?.certificate });
    return { connection, welcome };
  } catch (error) {
    connection?.close();
    if (cancelled?.aborted) throw new FerryError("Cancelled", `Cannot connect to ${where}: cancelled`);
    throw unreachable(where, timeout.aborted ? tooLate() : error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function tooLate(): FerryError {
  return new FerryError("Timeout", "nothing came in time, and a Ferry server greets at once; is the address right?");
}

/** @param announced The certificate (DER) that the server is about to use, if it uses one. */
async function encrypt(
  conn: Deno.TcpConn,
  announced: Uint8Array | undefined,
  hostname: string,
  { keyHash, tls }: ServerOptions,
  signal: AbortSignal,
): Promise<SecureLink> {
  if (!announced) {
    const what = keyHash
      ? ": it was started without, or is not the one that the ticket is from; ask its owner"
      : "; --insecure connects to it without, so that everybody on the way can read and change everything";
    throw new FerryError("Unauthorized", `the server does not use encryption${what}`);
  }
  if (!keyHash) return await connectTls(conn, { hostname, ca: tls?.ca }, signal);
  try {
    if (Buffer.compare(keyHashOf(announced), keyHash) !== 0) throw new FerryError("Unauthorized", NOT_THE_TICKETS);
    return await connectTls(conn, { hostname, certificate: certificatePem(announced) }, signal);
  } catch (error) {
    throw hasCode(error, "BadRequest") ? damagedCertificate(error) : error;
  }
}

function unreachable(where: string, thrown: unknown): FerryError {
  const { code, message } = toFerryError(thrown);
  if (thrown instanceof Deno.errors.ConnectionRefused) {
    return new FerryError("Unreachable", `Cannot connect to ${where}: nobody listens there; is the server running?`);
  }
  if (thrown instanceof FerryError) {
    const final = code === "Unsupported" || code === "Unauthorized";
    return new FerryError(final ? code : "Unreachable", `Cannot connect to ${where}: ${message}`);
  }
  return new FerryError("Unreachable", `Cannot connect to ${where}: ${ownWords(thrown)}`, { cause: thrown });
}
