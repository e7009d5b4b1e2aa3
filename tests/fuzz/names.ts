import { Buffer } from "node:buffer";
import { posix, win32 } from "node:path";
import { crc32 } from "node:zlib";
import { assert, assertEquals, assertFalse } from "@std/assert";
import { decodeBase32, encodeBase32, Secret, SECRET_BYTES } from "../../lib/auth/secret.ts";
import { KEY_HASH_BYTES } from "../../lib/transport/tls.ts";
import { decodeTicket, encodeTicket, type Ticket, TICKET_SCHEME } from "../../lib/auth/ticket.ts";
import { parseRemotePath } from "../../lib/core/remote_path.ts";
import type { Random } from "../helpers/random.ts";
import { accepted, pureTarget, type Tally } from "./target.ts";

const SEGMENTS = [
  "a",
  "天线",
  "x.txt",
  ".",
  "..",
  "...",
  "",
  " ",
  "..\\..",
  "C:",
  "C:\\",
  "con",
  "nul.txt",
  "a.",
  "~",
  "%2e%2e",
  "．．",
  "‥",
  "\u0000",
  "\ud800",
  "\u202e",
  ".ferry-x",
  ".FERRY-x",
  ".ﬀerry-",
  "．ｆｅｒｒｙ－x",
  ".ferry‐",
  ".ferry",
  "x".repeat(255),
  "天".repeat(86),
] as const;

const SEPARATORS = ["/", "/", "/", "/", "//", "\\", "∕", "／", ""] as const;

function randomPath(random: Random): string {
  let path = "";
  const most = random.below(20) === 0 ? 140 : 6;
  for (let i = random.below(most); i >= 0; i--) path += random.pick(SEGMENTS) + (i ? random.pick(SEPARATORS) : "");
  if (random.below(4)) return path;
  const at = random.below(path.length + 1);
  return path.slice(0, at) + String.fromCharCode(random.below(0x10000)) + path.slice(at + random.below(2));
}

function runPath(random: Random, seen: Tally): void {
  const path = randomPath(random);
  const windows = random.below(2) === 0;
  const parsed = accepted(() => parseRemotePath(path, windows), ["InvalidPath"], seen);
  if (parsed === undefined) return;
  assertEquals<string>(parsed, path);
  assertEquals(parseRemotePath(parsed, windows), parsed);
  assertEquals(posix.resolve("/srv/root", parsed), `/srv/root/${parsed}`);
  if (windows) assertEquals(win32.resolve("C:\\root", parsed), `C:\\root\\${parsed.replaceAll("/", "\\")}`);
  for (const name of parsed.split("/")) {
    assert(name !== "" && new TextEncoder().encode(name).length <= 255, name);
    assertFalse(name.normalize("NFKC").toLowerCase().startsWith(".ferry-"), name);
  }
}

function randomTicket(random: Random): Ticket {
  const address = () => random.pick(["192.0.2.7", "2001:db8::1", "fe80::1%eth0", "files.example.org", "x".repeat(253)]);
  return {
    addresses: Array.from({ length: 1 + random.below(8) }, address),
    port: 1 + random.below(65535),
    secret: Secret.fromBytes(random.bytes(SECRET_BYTES)),
    ...(random.below(2) ? { keyHash: random.bytes(KEY_HASH_BYTES) } : {}),
  };
}

/** A text with one character changed, removed or put in. */
function mutateText(random: Random, text: string): string {
  const at = random.below(text.length);
  const character = random.pick(["", " ", "\n", "a", "7", "1", "A", "K", "İ", "\u0000", ":", "ferry:"]);
  return text.slice(0, at) + character + text.slice(at + random.below(3));
}

/** The ticket of a body that was damaged before its checksum was made. */
function resealed(random: Random, text: string): string {
  const body = decodeBase32(text.slice(TICKET_SCHEME.length))?.subarray(0, -4);
  assert(body);
  const damaged = random.damage(body);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(damaged));
  return TICKET_SCHEME + encodeBase32(Buffer.concat([damaged, checksum]));
}

function plain({ secret, ...rest }: Ticket): unknown {
  return { ...rest, secret: secret.text };
}

function runTicket(random: Random, seen: Tally): void {
  const ticket = randomTicket(random);
  const text = encodeTicket(ticket);
  assertEquals(plain(decodeTicket(text)), plain(ticket));
  const sealed = random.below(2) === 0;
  const changed = sealed ? resealed(random, text) : mutateText(random, text);
  const decoded = accepted(() => decodeTicket(changed), ["BadRequest"], seen, [ticket.secret.text, text.slice(20, 60)]);
  if (decoded === undefined) return;
  assertEquals(plain(decodeTicket(encodeTicket(decoded))), plain(decoded));
  // Without a new checksum only what does no harm is accepted: white space and capital letters.
  if (!sealed) assertEquals(plain(decoded), plain(ticket));
}

function runSecret(random: Random, seen: Tally): void {
  const bytes = random.bytes(random.below(40));
  assertEquals(decodeBase32(encodeBase32(bytes)), bytes);
  const { text } = Secret.fromBytes(random.bytes(SECRET_BYTES));
  const changed = mutateText(random, random.below(3) ? text : encodeBase32(bytes) + text);
  const decoded = decodeBase32(changed);
  if (decoded) assertEquals(encodeBase32(decoded), changed.toLowerCase());
  const secret = accepted(() => Secret.parse(changed), ["BadRequest"], seen, [changed, text]);
  if (secret) assertEquals(secret.text, changed.replace(/[\s-]/g, "").toLowerCase());
}

/** Paths never lead out and are read only one way; tickets and secrets are what was written, or refused. */
export const NAMES = pureTarget("names", 15, (random, seen) => {
  const kind = random.below(4);
  if (kind < 2) runPath(random, seen);
  else if (kind === 2) runTicket(random, seen);
  else runSecret(random, seen);
});
