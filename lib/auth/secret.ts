import { Buffer } from "node:buffer";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { FerryError } from "../core/errors.ts";

/** The length of a secret, in bytes: 128 bits cannot be guessed, not even by someone who has recorded a proof. */
export const SECRET_BYTES = 16;

/** The length of a nonce, in bytes. */
export const NONCE_BYTES = 32;

/** RFC 4648 base32, in lower case: no characters that a shell, a chat or a reader could mistake. */
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** `bytes` in base32, lower case, without padding. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8 | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32.charAt(buffer >>> (bits - 5) & 31);
  }
  return bits > 0 ? text + BASE32.charAt(buffer << (5 - bits) & 31) : text;
}

/** The bytes of a base32 text in either case, if it is one. There is exactly one text for any bytes. */
export function decodeBase32(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(Math.floor(text.length * 5 / 8));
  let buffer = 0;
  let bits = 0;
  let length = 0;
  for (const character of text.toLowerCase()) {
    const value = BASE32.indexOf(character);
    if (value < 0) return undefined;
    buffer = (buffer << 5 | value) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length++] = buffer >>> bits;
  }
  const rest = buffer & ((1 << bits) - 1);
  return bits < 5 && rest === 0 ? bytes : undefined;
}

/** What only the server and those it trusts know. Its bytes are private, so that neither `console` nor JSON shows them. */
export class Secret {
  readonly #bytes: Uint8Array<ArrayBuffer>;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  /** A new, random secret. */
  static create(): Secret {
    return new Secret(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
  }

  /** A secret of a copy of {@linkcode SECRET_BYTES} bytes. @throws {FerryError} `BadRequest` when there are more or fewer. */
  static fromBytes(bytes: Uint8Array): Secret {
    if (bytes.length !== SECRET_BYTES) throw new FerryError("BadRequest", `a secret has ${SECRET_BYTES} bytes`);
    return new Secret(Uint8Array.from(bytes));
  }

  /**
   * Reads the text form. White space anywhere, hyphens and capital letters do no harm.
   *
   * @throws {FerryError} `BadRequest`; the message does not repeat the text.
   */
  static parse(text: string): Secret {
    const wanted = Math.ceil(SECRET_BYTES * 8 / 5);
    const compact = text.replace(/[\s-]/g, "");
    if (/[^a-z2-7]/i.test(compact)) {
      throw new FerryError("BadRequest", "this is no secret of Ferry: one has only the letters a-z and the digits 2-7");
    }
    if (compact.length !== wanted) {
      throw new FerryError("BadRequest", `a secret has ${wanted} characters, this has ${compact.length}`);
    }
    const bytes = decodeBase32(compact);
    if (!bytes) throw new FerryError("BadRequest", "the secret is mistyped");
    return new Secret(bytes);
  }

  /** The text form: 26 letters and digits. */
  get text(): string {
    return encodeBase32(this.#bytes);
  }

  /** A copy of the bytes. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice();
  }
}

/** The side of a connection that makes a proof. */
export type Side = "client" | "server";

/** What both ends have seen of the beginning of their connection. They agree on all of it, or no proof is good. */
export interface Transcript {
  /** The payloads of both hello frames, exactly as they travelled. */
  readonly serverHello: Uint8Array;
  readonly clientHello: Uint8Array;
  /** The random bytes of both ends, {@linkcode NONCE_BYTES} each. */
  readonly serverNonce: Uint8Array;
  readonly clientNonce: Uint8Array;
  /** The certificate (DER) that the server uses, or that the client was really shown; undefined without TLS. */
  readonly certificate: Uint8Array | undefined;
}

/** New random bytes for one connection. */
export function newNonce(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
}

/**
 * Proves that this end knows the secret, without giving it away: HMAC-SHA-256 over the side and the transcript. A proof
 * is good for one connection and one side only, so it can be neither replayed nor sent back to its maker, and someone in
 * the middle who has changed a hello or shown a certificate of their own has no use for it (RFC 5929, section 4).
 *
 * @throws {FerryError} `BadRequest` when a nonce does not have {@linkcode NONCE_BYTES}.
 */
export function prove(secret: Secret, side: Side, transcript: Transcript): Uint8Array<ArrayBuffer> {
  const { serverNonce, clientNonce, serverHello, clientHello, certificate } = transcript;
  if (serverNonce.length !== NONCE_BYTES || clientNonce.length !== NONCE_BYTES) {
    throw new FerryError("BadRequest", `a nonce has ${NONCE_BYTES} bytes`);
  }
  const label = Buffer.from(`ferry/1 ${side} proof`);
  const fingerprint = certificate ? createHash("sha256").update(certificate).digest() : new Uint8Array();
  const hmac = createHmac("sha256", secret.bytes);
  for (const part of [label, serverNonce, clientNonce, serverHello, clientHello, fingerprint]) {
    // With the length of each, no two transcripts are the same bytes.
    hmac.update(u32(part.length)).update(part);
  }
  return Uint8Array.from(hmac.digest());
}

/**
 * What stands for those who know a secret wherever they have to be told apart from others: the same in every run, and
 * of no use for a proof. It stays on the server.
 */
export function ownerOf(secret: Secret): string {
  return createHmac("sha256", secret.bytes).update("ferry/1 owner of uploads").digest("hex");
}

/**
 * The index of the secret that `side` has made a proof with, if it is one of these. Every secret costs the same work,
 * whether it or another one matches, or none.
 *
 * @throws {FerryError} As {@linkcode prove}.
 */
export function verify(
  secrets: readonly Secret[],
  side: Side,
  transcript: Transcript,
  proof: Uint8Array,
): number | undefined {
  let found: number | undefined;
  for (const [index, secret] of secrets.entries()) {
    const wanted = prove(secret, side, transcript);
    // timingSafeEqual insists on equal lengths; a proof of another length is compared with itself and refused below.
    const equal = timingSafeEqual(wanted, proof.length === wanted.length ? proof : wanted);
    found = equal && proof.length === wanted.length ? index : found;
  }
  return found;
}

/** A number in 4 bytes, the highest first. */
export function u32(value: number): Buffer {
  return Buffer.of(value >>> 24, value >>> 16, value >>> 8, value);
}
