import { Buffer } from "node:buffer";
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import type { Extensions } from "@peculiar/asn1-x509";
import { FerryError, toFerryError } from "../core/errors.ts";

/**
 * The name in the certificates that Ferry makes, whatever the server's address is. `.internal` is reserved for private
 * use (ICANN resolution 2024.07.29.06), so that no public authority issues a certificate for it.
 */
export const INTERNAL_NAME = "ferry.internal";

/**
 * What both ends must name in the handshake (ALPN, RFC 7301), so that nobody can pass a connection that was meant for
 * another protocol on to Ferry.
 */
export const ALPN_PROTOCOL = "ferry/1";

/** What a server shows to prove who it is. Both are PEM; the key is secret. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const VALID_YEARS = 10;
const SERIAL_BYTES = 16;

/** Object identifiers: RFC 5480 (ecdsa-with-SHA256) and X.520 (commonName). */
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";

const PEM_BEGIN = "-----BEGIN CERTIFICATE-----";
const PEM_END = "-----END CERTIFICATE-----";
const PEM_LINE_CHARS = 64;

/**
 * Makes a new ECDSA P-256 key and a self-signed certificate for it: CA:FALSE, because Deno refuses the certificate of
 * an authority as a server's own; valid from the day before, for clocks that differ, for ten years. It says no more
 * than that, to keep tickets short. The packages for it are loaded at the first call.
 *
 * @param now The time it is made at.
 */
export async function createIdentity(now = new Date()): Promise<Identity> {
  const { AsnConvert } = await import("@peculiar/asn1-schema");
  const x509 = await import("@peculiar/asn1-x509");
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const signatureAlgorithm = new x509.AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const commonName = new x509.AttributeTypeAndValue({
    type: COMMON_NAME,
    value: new x509.AttributeValue({ utf8String: "Ferry" }),
  });
  const name = new x509.Name([new x509.RelativeDistinguishedName([commonName])]);
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: serialNumber(),
    signature: signatureAlgorithm,
    issuer: name,
    validity: new x509.Validity(validity(now)),
    subject: name,
    subjectPublicKeyInfo: AsnConvert.parse(publicKey, x509.SubjectPublicKeyInfo),
    extensions: await extensions(),
  });
  const signatureValue = exactBuffer(sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), privateKey));
  const certificate = new x509.Certificate({ tbsCertificate, signatureAlgorithm, signatureValue });
  return { certificate: certificatePem(new Uint8Array(AsnConvert.serialize(certificate))), key: privateKey };
}

/**
 * The bytes of the first certificate of a PEM text, which in a chain is the server's own.
 *
 * @throws {FerryError} `BadRequest` when there is none.
 */
export function certificateDer(pem: string): Uint8Array<ArrayBuffer> {
  const begin = pem.indexOf(PEM_BEGIN);
  const end = pem.indexOf(PEM_END, begin);
  if (begin < 0 || end < 0) throw new FerryError("BadRequest", "it holds no certificate in PEM form");
  try {
    const der = Uint8Array.fromBase64(pem.slice(begin + PEM_BEGIN.length, end));
    if (der.length > 0) return der;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new FerryError("BadRequest", "it holds a certificate that is damaged");
}

/**
 * Checks that a certificate and a key are what they should be; `node:tls` accepts anything until a client comes.
 *
 * @throws {FerryError} `BadRequest`
 */
export function checkIdentity({ certificate, key }: Identity): void {
  certificateDer(certificate);
  try {
    if (new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) return;
  } catch (error) {
    throw new FerryError("BadRequest", "the certificate or the key is not valid PEM", { cause: error });
  }
  throw new FerryError("BadRequest", "the key does not belong to the certificate");
}

/** A certificate as PEM text (RFC 7468). */
export function certificatePem(der: Uint8Array): string {
  const lines = der.toBase64().match(new RegExp(`.{1,${PEM_LINE_CHARS}}`, "g")) ?? [];
  return [PEM_BEGIN, ...lines, PEM_END, ""].join("\n");
}

/** A symbol of an object of Deno, or of what it is an instance of, that Deno uses for itself. */
export function internalSymbol(target: object, description: string): symbol | undefined {
  for (let each: unknown = target; typeof each === "object" && each !== null; each = Object.getPrototypeOf(each)) {
    const symbol = Object.getOwnPropertySymbols(each).find((symbol) => symbol.description === description);
    if (symbol) return symbol;
  }
  return undefined;
}

/** What is said when Deno has changed something that it does not promise. @param what What it does not do. */
export function notThisDeno(what: string): FerryError {
  const version = Deno.version.deno;
  return new FerryError("Unsupported", `Deno ${version} does not ${what}; use the version that Ferry was made for`);
}

/**
 * The certificate of the server. Deno has no public way to ask for it; this is the one that its own `node:tls` uses. If
 * a later version takes it away, no connection is made rather than an unsafe one.
 *
 * @throws {FerryError} `Unsupported` when Deno does not tell.
 */
export function peerCertificate(conn: Deno.TlsConn): Uint8Array<ArrayBuffer> {
  const symbol = internalSymbol(conn, "getPeerCertificate");
  const method: unknown = symbol && Reflect.get(conn, symbol);
  const found: unknown = typeof method === "function" ? method.call(conn) : undefined;
  const raw = typeof found === "object" && found !== null && "raw" in found ? found.raw : undefined;
  if (raw instanceof Uint8Array) return Uint8Array.from(raw);
  throw notThisDeno("tell which certificate the server has");
}

/** Which reasons are given when a handshake fails: what the certificate was checked against, or the server's view. */
export type View = "ticket" | "authority" | "client";

/** What is said when the server does not have the certificate that is pinned. */
export const NOT_THE_TICKETS =
  "the server's certificate is not the one in the ticket: the server has a new one, or somebody " +
  "is in the middle; ask its owner for a new ticket";

const EXPIRED = "the server's certificate has expired, or this computer's clock is wrong";

/** Reasons by what Deno says, the first match counts. The certificate checks are those of webpki. */
const REASONS: Record<View, readonly (readonly [RegExp, FerryError["code"], string])[]> = {
  ticket: [
    [/certificate expired|not valid yet/, "Unauthorized", EXPIRED],
    [/^invalid peer certificate: BadEncoding/, "BadRequest", "the certificate in the ticket is damaged"],
    [/^invalid peer certificate/, "Unauthorized", NOT_THE_TICKETS],
    [/Unable to add pem file/, "BadRequest", "the certificate in the ticket is damaged"],
  ],
  authority: [
    [/certificate expired|not valid yet/, "Unauthorized", EXPIRED],
    [/not valid for name/, "Unauthorized", "the server's certificate is for another host name"],
    [
      /CaUsedAsEndEntity/,
      "Unauthorized",
      "the server's certificate is that of an authority; it needs one with CA:FALSE",
    ],
    [/BadEncoding|Unable to add pem file/, "BadRequest", "a certificate is damaged"],
    [
      /^invalid peer certificate/,
      "Unauthorized",
      "no authority that this computer trusts has issued the server's certificate; --ca FILE names another one",
    ],
    [/Invalid hostname/, "BadRequest", "this is not a host name"],
  ],
  client: [
    [/any known protocol/, "Unsupported", `the client does not speak ${ALPN_PROTOCOL}`],
    [/UnknownCA|DecryptError|Certificate/, "Unauthorized", "the client does not accept this server's certificate"],
    [/./, "BadRequest", "the client does not speak TLS 1.3"],
  ],
};

const OF_SERVERS: typeof REASONS[View] = [
  [/NoApplicationProtocol/, "Unsupported", `the server does not speak ${ALPN_PROTOCOL}`],
  [/InvalidContentType|corrupt message/, "Unsupported", "the server does not speak TLS"],
  [/received fatal alert/, "Disconnected", "the server refused the encryption"],
];

/** What a failed handshake means. Deno has no codes for it; only `InvalidData`, `TypeError` or `Error` with a text. */
export function explain(error: unknown, view: View): FerryError {
  const known = error instanceof Deno.errors.InvalidData || error instanceof TypeError ||
    error instanceof Error && error.name === "Error";
  if (known && !(error instanceof FerryError)) {
    const reasons = view === "client" ? REASONS.client : [...REASONS[view], ...OF_SERVERS];
    const match = reasons.find(([pattern]) => pattern.test(error.message));
    if (match) return new FerryError(match[1], match[2], { cause: error });
    if (error instanceof Deno.errors.InvalidData) {
      return new FerryError("Corrupt", "the encryption failed: something was changed on the way", { cause: error });
    }
  }
  return toFerryError(error);
}

/** @throws {FerryError} `Unsupported` when a handshake did not agree on Ferry's protocol. */
export function requireProtocol({ alpnProtocol }: Deno.TlsHandshakeInfo): void {
  if (alpnProtocol !== ALPN_PROTOCOL) {
    throw new FerryError("Unsupported", `the other end does not speak ${ALPN_PROTOCOL}`);
  }
}

/** A random number whose first byte makes it positive and always equally long (RFC 5280, section 4.1.2.2). */
function serialNumber(): ArrayBuffer {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes.writeUInt8(bytes.readUInt8() & 0x3f | 0x40);
  return exactBuffer(bytes);
}

/** CA:FALSE, and the name. */
async function extensions(): Promise<Extensions> {
  const { AsnConvert, OctetString } = await import("@peculiar/asn1-schema");
  const x509 = await import("@peculiar/asn1-x509");
  const extension = (extnID: string, critical: boolean, content: object) =>
    new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(content)) });
  return new x509.Extensions([
    extension(x509.id_ce_basicConstraints, true, new x509.BasicConstraints({ cA: false })),
    extension(
      x509.id_ce_subjectAltName,
      false,
      new x509.SubjectAlternativeName([new x509.GeneralName({ dNSName: INTERNAL_NAME })]),
    ),
  ]);
}

function validity(now: Date): { notBefore: Date; notAfter: Date } {
  const notBefore = new Date(now.getTime() - DAY_MS);
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALID_YEARS);
  return { notBefore, notAfter };
}

/** The bytes in a buffer of their own; a `Buffer` may be a part of a larger one. */
function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
