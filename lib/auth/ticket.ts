import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { FerryError } from "../core/errors.ts";
import { addressBytes, addressOf } from "../transport/address.ts";
import { KEY_HASH_BYTES } from "../transport/tls.ts";
import { decodeBase32, encodeBase32, Secret, SECRET_BYTES, u32 } from "./secret.ts";

/** All that a client needs to find a server, to know that it is the right one, and to be let in. */
export interface Ticket {
  /** Host names and IP addresses (IPv6 without brackets) of the server, the most promising first; one to eight. */
  readonly addresses: readonly string[];
  /** The port, the same at all of them. */
  readonly port: number;
  /** The hash of the key that the server must have; see `keyHashOf`. */
  readonly keyHash?: Uint8Array | undefined;
  /** The secret that lets a client in. */
  readonly secret: Secret;
}

/** What every ticket begins with. */
export const TICKET_SCHEME = "ferry:";

/** The version of the layout. All versions have it in the first byte and end with the CRC-32 of what comes before. */
const VERSION = 2;

const MAX_ADDRESSES = 8;
/** The longest name that DNS can hold, in characters (RFC 1035, section 2.3.4). */
const MAX_ADDRESS_CHARS = 253;
/** In place of the length of a name, for the bytes of an IP address. */
const [IPV4, IPV6] = [254, 255];
const CHECKSUM_BYTES = 4;
/** More characters than the largest ticket has, also when a mail has broken it into lines. */
const MAX_TICKET_CHARS = 16 * 1024;

/** Letters of host names, IPv4, IPv6 and the zone of a link-local address (RFC 6874). */
const ADDRESS = /^[a-z0-9._:%-]+$/i;

/**
 * Writes a ticket as one word of `ferry:` and base32, which survives shells, chats, mails and QR codes:
 *
 * version u8 · port u16 · secret 16 bytes · length of the hash u8, 0 for none · hash · address… · CRC-32 u32
 *
 * An address is 254 and 4 bytes of IPv4, 255 and 16 bytes of IPv6, or the length u8 and a name.
 *
 * @throws {FerryError} `BadRequest` for what no ticket can hold.
 */
export function encodeTicket({ addresses, port, keyHash = new Uint8Array(), secret }: Ticket): string {
  if (addresses.length < 1 || addresses.length > MAX_ADDRESSES) {
    throw bad(`a ticket holds 1 to ${MAX_ADDRESSES} addresses, not ${addresses.length}`);
  }
  const body = Buffer.concat([
    Buffer.of(VERSION),
    u16(checkPort(port)),
    secret.bytes,
    Buffer.of(checkHash(keyHash).length),
    keyHash,
    ...addresses.map(encodeAddress),
  ]);
  return TICKET_SCHEME + encodeBase32(Buffer.concat([body, u32(crc32(body))]));
}

/** Whether `text` is meant as a ticket, be it good or not. */
export function isTicket(text: string): boolean {
  return text.trimStart().slice(0, TICKET_SCHEME.length).toLowerCase() === TICKET_SCHEME;
}

/**
 * Reads a ticket. White space, also where a mail has broken it into lines, and capital letters do no harm.
 *
 * @throws {FerryError} `BadRequest` when it is none, is damaged, or was made by a later version. The message does not
 * repeat the ticket, since there is a secret in it.
 */
export function decodeTicket(text: string): Ticket {
  if (text.length > MAX_TICKET_CHARS) throw bad("this is too long for a ticket");
  if (!isTicket(text)) throw bad(`a ticket begins with "${TICKET_SCHEME}"`);
  const bytes = Buffer.from(decodeBase32(text.trimStart().slice(TICKET_SCHEME.length).replace(/\s/g, "")) ?? []);
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  if (body.length === 0 || crc32(body) !== bytes.readUInt32BE(body.length)) {
    throw bad("the ticket is mistyped or not complete; copy it again, from beginning to end");
  }
  let at = 0;
  const take = (length: number) => {
    if (at + length > body.length) throw bad("the ticket ends too early");
    at += length;
    return body.subarray(at - length, at);
  };
  const number = (length: 1 | 2) => take(length).readUIntBE(0, length);
  if (number(1) !== VERSION) throw bad("the ticket was made by another version of Ferry; use that version");
  const port = checkPort(number(2));
  const secret = Secret.fromBytes(take(SECRET_BYTES));
  const keyHash = checkHash(Uint8Array.from(take(number(1))));
  const addresses: string[] = [];
  while (at < body.length) {
    const length = number(1);
    if (length === IPV4 || length === IPV6) addresses.push(addressOf(take(length === IPV4 ? 4 : 16)));
    else addresses.push(checkAddress(take(length).toString("latin1")));
  }
  if (addresses.length < 1 || addresses.length > MAX_ADDRESSES) {
    throw bad(`the ticket has ${addresses.length} addresses`);
  }
  return { addresses, port, secret, ...(keyHash.length > 0 ? { keyHash } : {}) };
}

/** An IP address as its bytes, which are fewer, anything else as a name. */
function encodeAddress(address: string): Buffer {
  const bytes = addressBytes(checkAddress(address));
  if (bytes) return Buffer.of(bytes.length === 4 ? IPV4 : IPV6, ...bytes);
  return Buffer.concat([Buffer.of(address.length), Buffer.from(address)]);
}

function checkHash<Hash extends Uint8Array>(hash: Hash): Hash {
  if (hash.length === 0 || hash.length === KEY_HASH_BYTES) return hash;
  throw bad(`the hash of a key has ${KEY_HASH_BYTES} bytes in a ticket`);
}

function checkPort(port: number): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw bad("the port of a ticket must be from 1 to 65535");
}

function checkAddress(address: string): string {
  if (address.length <= MAX_ADDRESS_CHARS && ADDRESS.test(address)) return address;
  throw bad("an address of a ticket must be a host name or an IP address");
}

function u16(value: number): Buffer {
  return Buffer.of(value >>> 8, value);
}

function bad(message: string): FerryError {
  return new FerryError("BadRequest", message);
}
