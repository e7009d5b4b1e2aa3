import { FerryError, toFerryError } from "../core/errors.ts";
import { closeQuietly } from "./connection.ts";
import { peerCertificate } from "./deno_internals.ts";
import { ALPN_PROTOCOL, certificateDer, INTERNAL_NAME, parseCertificate } from "./tls.ts";

/** A connection to a server that has been authenticated by its certificate. */
export interface SecureLink {
  readonly conn: Deno.TlsConn;
  /** The certificate (DER) that the server has really shown. */
  readonly certificate: Uint8Array<ArrayBuffer>;
}

/**
 * Turns a connection into an encrypted one to the server with exactly this certificate. Takes `conn` over, also when
 * it fails.
 *
 * Deno always trusts the authorities of its environment as well (`DENO_CERT`, `NODE_EXTRA_CA_CERTS`,
 * `DENO_TLS_CA_STORE`, `--cert`). What counts here is therefore that the certificate is the same, byte for byte.
 *
 * @param certificate PEM, valid for {@linkcode INTERNAL_NAME}, not an authority's.
 * @param signal Ends the attempt; use `AbortSignal.timeout` for a deadline.
 * @throws {FerryError} `Unauthorized` when the server has another certificate or it has expired; `Unsupported` when it
 * does not speak Ferry's protocol over TLS; `BadRequest` when `certificate` is damaged; `Timeout`, `Cancelled` or
 * `Disconnected`.
 */
export async function connectPinned(
  conn: Deno.TcpConn,
  certificate: string,
  signal?: AbortSignal,
): Promise<SecureLink> {
  const link = await secure(conn, { hostname: INTERNAL_NAME, caCerts: [certificate] }, "ticket", signal);
  const pinned = certificateDer(certificate);
  if (link.certificate.length === pinned.length && link.certificate.every((byte, i) => byte === pinned[i])) return link;
  closeQuietly(link.conn);
  throw new FerryError("Unauthorized", NOT_THE_TICKETS);
}

/**
 * Turns a connection into an encrypted one to a server whose certificate is good for its host name. Takes `conn` over,
 * also when it fails.
 *
 * @param hostname The host name or IP address that the certificate must be for; IPv6 without brackets.
 * @param options `ca`: PEM of authorities to trust besides those of Deno and its environment; `signal`: ends the
 * attempt.
 * @throws {FerryError} As {@linkcode connectPinned}.
 */
export async function connectTls(
  conn: Deno.TcpConn,
  hostname: string,
  { ca, signal }: { ca?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<SecureLink> {
  return await secure(conn, { hostname, caCerts: ca === undefined ? [] : [ca] }, "authority", signal);
}

async function secure(
  tcp: Deno.TcpConn,
  options: { hostname: string; caCerts: string[] },
  view: View,
  signal: AbortSignal | undefined,
): Promise<SecureLink> {
  let conn: Deno.Conn = tcp;
  const abort = () => closeQuietly(conn);
  try {
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort);
    // Deno silently ignores text without a certificate in it.
    options.caCerts.forEach(parseCertificate);
    tcp.setNoDelay(true); // A TlsConn has no way to say it.
    const tls = await Deno.startTls(tcp, { ...options, alpnProtocols: [ALPN_PROTOCOL] });
    conn = tls;
    signal?.throwIfAborted();
    const { alpnProtocol } = await tls.handshake();
    if (alpnProtocol !== ALPN_PROTOCOL) throw new FerryError("Unsupported", NOT_FERRY);
    return { conn: tls, certificate: peerCertificate(tls) };
  } catch (error) {
    closeQuietly(conn);
    if (signal?.aborted) throw interrupted(signal);
    throw explain(error, view);
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

/** What the server's certificate is checked against. */
type View = "ticket" | "authority";

const NOT_FERRY = `the server does not speak ${ALPN_PROTOCOL}`;
const EXPIRED = "the server's certificate has expired, or this computer's clock is wrong";
const NOT_THE_TICKETS =
  "the server's certificate is not the one in the ticket: the server has a new one, or somebody " +
  "is in the middle; ask its owner for a new ticket";
const NOT_TRUSTED =
  "no authority that this computer trusts has issued the server's certificate; --ca FILE names another one";

/**
 * Reasons by the text of an `InvalidData` error, which is all that tells one from another; the first match counts. The
 * texts are those of rustls and webpki, and Deno does not promise them. When one changes, the user is told a more general
 * reason; whether the server is accepted does not depend on them.
 */
const REASONS: readonly (readonly [RegExp, FerryError["code"], string, View?])[] = [
  [/certificate expired|not valid yet/, "Unauthorized", EXPIRED],
  [/not valid for name/, "Unauthorized", "the server's certificate is for another host name", "authority"],
  [
    /CaUsedAsEndEntity/,
    "Unauthorized",
    "the server's certificate is that of an authority; it needs one with CA:FALSE",
    "authority",
  ],
  [/^invalid peer certificate/, "Unauthorized", NOT_THE_TICKETS, "ticket"],
  [/^invalid peer certificate/, "Unauthorized", NOT_TRUSTED, "authority"],
  [/NoApplicationProtocol/, "Unsupported", NOT_FERRY],
  [/InvalidContentType|corrupt message/, "Unsupported", "the server does not speak TLS"],
  [/received fatal alert/, "Disconnected", "the server refused the encryption"],
];

const UNKNOWN_REASON = [
  /(?:)/,
  "Corrupt",
  "the encryption failed: the server's certificate is not good, or something was changed on the way",
] as const;

/** What a failed handshake means. */
function explain(error: unknown, view: View): FerryError {
  if (error instanceof TypeError) return new FerryError("BadRequest", "this is not a host name", { cause: error });
  if (!(error instanceof Deno.errors.InvalidData)) return toFerryError(error);
  const match = REASONS.find(([text, , , only]) => text.test(error.message) && (only ?? view) === view);
  const [, code, reason] = match ?? UNKNOWN_REASON;
  return new FerryError(code, reason, { cause: error });
}
