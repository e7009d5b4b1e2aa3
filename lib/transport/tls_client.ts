import type { X509Certificate } from "node:crypto";
import { FerryError, ownWords, toFerryError } from "../core/errors.ts";
import { closeQuietly } from "./connection.ts";
import { peerCertificate } from "./deno_internals.ts";
import { ALPN_PROTOCOL, INTERNAL_NAME, parseCertificate } from "./tls.ts";

/** A connection to a server that has been authenticated by its certificate. */
export interface SecureLink {
  readonly conn: Deno.TlsConn;
  /** The certificate (DER) that the server has really shown. */
  readonly certificate: Uint8Array<ArrayBuffer>;
}

/** How the right server is known. */
export interface Expected {
  /** PEM. The server must have exactly this certificate, which is for {@linkcode INTERNAL_NAME} and not an authority's. */
  readonly certificate?: string | undefined;
  /** Without it, the server's certificate must be for this host name or IP address (IPv6 without brackets) … */
  readonly hostname: string;
  /** … from an authority that Deno or its environment trusts, or from these (PEM). */
  readonly ca?: string | undefined;
}

/**
 * Turns a connection into an encrypted one to the right server. Takes `tcp` over, also when it fails.
 *
 * Deno always trusts the authorities of its environment as well (`DENO_CERT`, `NODE_EXTRA_CA_CERTS`,
 * `DENO_TLS_CA_STORE`, `--cert`). What counts for a certificate is therefore that it is the same, byte for byte.
 *
 * @param signal Ends the attempt; use `AbortSignal.timeout` for a deadline.
 * @throws {FerryError} `Unreachable` when the handshake with a server whose certificate is known breaks: the line damages
 * what it carries, the server has another key, or it does not speak Ferry's protocol over TLS. `Unauthorized` when that
 * certificate is not valid now, or a server that is known by its name does not show a good one; `Unsupported` when it takes
 * part without naming that protocol; `BadRequest` when a certificate or the host name is damaged; `Timeout`, `Cancelled`
 * or `Disconnected`.
 */
export async function connectTls(
  tcp: Deno.TcpConn,
  { certificate, hostname, ca }: Expected,
  signal?: AbortSignal,
): Promise<SecureLink> {
  const trusted = certificate ?? ca;
  let conn: Deno.Conn = tcp;
  const abort = () => closeQuietly(conn);
  try {
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort);
    // Deno silently ignores text without a certificate in it.
    if (trusted !== undefined) parseCertificate(trusted);
    tcp.setNoDelay(true); // A TlsConn has no way to say it.
    const tls = await Deno.startTls(tcp, {
      hostname: certificate === undefined ? hostname : INTERNAL_NAME,
      caCerts: trusted === undefined ? [] : [trusted],
      alpnProtocols: [ALPN_PROTOCOL],
    });
    conn = tls;
    signal?.throwIfAborted();
    const { alpnProtocol } = await tls.handshake();
    if (alpnProtocol !== ALPN_PROTOCOL) throw new FerryError("Unsupported", NOT_FERRY);
    const shown = peerCertificate(tls);
    if (certificate !== undefined && !parseCertificate(certificate).raw.equals(shown)) {
      throw new FerryError("Unauthorized", NOT_THE_TICKETS);
    }
    return { conn: tls, certificate: shown };
  } catch (error) {
    closeQuietly(conn);
    if (signal?.aborted) throw interrupted(signal);
    if (error instanceof TypeError) throw new FerryError("BadRequest", "this is not a host name", { cause: error });
    if (error instanceof Deno.errors.InvalidData) throw refused(error, certificate);
    // Deno has no class for a certificate to trust that it cannot read.
    const isUnreadable = conn === tcp && error instanceof Error && error.name === "Error";
    if (isUnreadable) throw new FerryError("BadRequest", "the certificate is damaged", { cause: error });
    throw toFerryError(error);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function interrupted(signal: AbortSignal): FerryError {
  const late = signal.reason instanceof DOMException && signal.reason.name === "TimeoutError";
  return late
    ? new FerryError("Timeout", "the server did not complete the encryption in time")
    : new FerryError("Cancelled", "cancelled");
}

const NOT_FERRY = `the server does not speak ${ALPN_PROTOCOL}`;
/** The server is not the one that the ticket is from. */
export const NOT_THE_TICKETS =
  "the server did not show the ticket's key: it has a new one, or does not speak Ferry over TLS, or somebody is in the " +
  "middle; ask its owner for a new ticket";
const BROKEN =
  "the encryption could not begin: the line damages what it carries, or somebody is in the middle with another key, or " +
  "the server does not speak Ferry over TLS; nothing secret was sent";
const NOT_TRUSTED =
  "the server did not show a certificate that is valid now, for this host name, not an authority's own, and from an " +
  "authority that this computer trusts (--ca FILE names another one); or it does not speak Ferry over TLS";

/**
 * A failed handshake. Deno tells one reason from another only in words that it does not promise. To try again does no harm
 * where only one certificate is good.
 */
function refused(error: Error, pinned: string | undefined): FerryError {
  const reason = pinned === undefined ? NOT_TRUSTED : untimely(parseCertificate(pinned));
  const code = reason === undefined ? "Unreachable" : "Unauthorized";
  return new FerryError(code, `${reason ?? BROKEN} (${ownWords(error)})`, { cause: error });
}

/** Says that the certificate of a ticket's server is not valid now. */
function untimely({ validFromDate, validToDate }: X509Certificate): string | undefined {
  const now = new Date();
  const hint = "ask the server's owner for a new ticket, unless this computer's clock is wrong";
  if (now > validToDate) return `the server's certificate has expired on ${day(validToDate)}; ${hint}`;
  if (now < validFromDate) return `the server's certificate is not valid before ${day(validFromDate)}; ${hint}`;
  return undefined;
}

/** The day in UTC: `2026-11-21`. */
function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
