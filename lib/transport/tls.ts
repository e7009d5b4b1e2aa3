import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { FerryError } from "../core/errors.ts";

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

/** How much of the hash of a key is compared, in bytes: nobody finds another key with the same 128 bits. */
export const KEY_HASH_BYTES = 16;

/** What a server shows to prove who it is. Both are PEM; the key is secret. */
export interface Identity {
  /** The certificate, or a chain that begins with it. */
  readonly certificate: string;
  /** The private key of the certificate. */
  readonly key: string;
}

/** The first certificate of a PEM text, in a chain the server's own. @throws {FerryError} `BadRequest` when it has no good one. */
export function parseCertificate(pem: string): X509Certificate {
  const begin = pem.indexOf("-----BEGIN CERTIFICATE-----");
  if (begin < 0) throw new FerryError("BadRequest", "it holds no certificate in PEM form");
  try {
    return new X509Certificate(pem.slice(begin));
  } catch (error) {
    throw new FerryError("BadRequest", "it holds a certificate that is damaged", { cause: error });
  }
}

/** The bytes of the first certificate of a PEM text. @throws {FerryError} As {@linkcode parseCertificate}. */
export function certificateDer(pem: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parseCertificate(pem).raw);
}

/**
 * What a server's key is known by: the first {@linkcode KEY_HASH_BYTES} bytes of the SHA-256 of the
 * SubjectPublicKeyInfo (DER) in its certificate. It stays the same when the certificate is renewed.
 *
 * @param certificate PEM or DER; of a chain, the first one counts.
 * @throws {FerryError} `BadRequest` when the certificate is damaged, or has a key of an unknown kind.
 */
export function keyHashOf(certificate: string | Uint8Array): Uint8Array<ArrayBuffer> {
  try {
    const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
    return Uint8Array.from(createHash("sha256").update(key).digest().subarray(0, KEY_HASH_BYTES));
  } catch (error) {
    throw new FerryError("BadRequest", "the certificate is damaged", { cause: error });
  }
}

/** A certificate as PEM text (RFC 7468). @throws {FerryError} `BadRequest` when it is none. */
export function certificatePem(der: Uint8Array): string {
  try {
    return new X509Certificate(der).toString();
  } catch (error) {
    throw new FerryError("BadRequest", "the certificate is damaged", { cause: error });
  }
}

/** @throws {FerryError} `BadRequest` unless certificate and key belong together. `node:tls` notices when a client comes. */
export function checkIdentity({ certificate, key }: Identity): void {
  const parsed = parseCertificate(certificate);
  try {
    if (parsed.checkPrivateKey(createPrivateKey(key))) return;
  } catch (error) {
    throw new FerryError("BadRequest", "the key is not valid PEM", { cause: error });
  }
  throw new FerryError("BadRequest", "the key does not belong to the certificate");
}
