import { assert, assertEquals, assertFalse } from "@std/assert";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { FerryError } from "../../lib/core/errors.ts";
import { decodeBase32, encodeBase32, Secret } from "../../lib/auth/secret.ts";
import { decodeTicket, encodeTicket, isTicket, type Ticket } from "../../lib/auth/ticket.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { bytes, withRandom } from "../helpers/random.ts";

const TICKET: Ticket = {
  addresses: ["192.0.2.7", "2001:db8::1", "fe80::1%eth0", "files.example.org"],
  port: 7878,
  certificate: bytes(332),
  secret: Secret.fromBytes(bytes(16, 2)),
};

/** A ticket in values that can be compared. */
function plain({ secret, ...rest }: Ticket): unknown {
  return { ...rest, secret: secret.text };
}

/** A ticket with these bytes and a right checksum. */
function sealed(...parts: (number | Uint8Array | string)[]): string {
  const body = Buffer.concat(parts.map((part) => typeof part === "number" ? Buffer.of(part) : Buffer.from(part)));
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return `ferry:${encodeBase32(Buffer.concat([body, checksum]))}`;
}

const PORT = Uint8Array.of(0x1e, 0xc6);
const NO_CERTIFICATE = Uint8Array.of(0, 0);
const { bytes: SECRET } = TICKET.secret;

Deno.test("decodeTicket() gives back what encodeTicket() was given", () => {
  const { certificate: _, ...plainTcp } = TICKET;
  const longest = {
    ...TICKET,
    addresses: Array.from({ length: 8 }, () => "x".repeat(253)),
    certificate: bytes(2048),
    port: 65535,
  };
  for (const ticket of [TICKET, plainTcp, longest, { ...TICKET, port: 1 }]) {
    assertEquals(plain(decodeTicket(encodeTicket(ticket))), plain(ticket));
  }
});

Deno.test("encodeTicket() keeps its layout", () => {
  const { certificate: _, ...ticket } = { ...TICKET, addresses: ["a.b"] };
  assertEquals(encodeTicket(ticket), sealed(1, PORT, SECRET, 1, 3, "a.b", NO_CERTIFICATE));
});

Deno.test("encodeTicket() gives one word that no shell or chat changes", () => {
  assert(/^ferry:[a-z2-7]+$/.test(encodeTicket(TICKET)));
});

Deno.test("encodeTicket() stays below 700 characters for a P-256 certificate and two addresses", () => {
  const { length } = encodeTicket({
    ...TICKET,
    addresses: ["192.168.100.100", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff"],
  });
  assert(length < 700, `${length} characters`);
});

Deno.test("encodeTicket() refuses what decodeTicket() would", () => {
  const wrong: [string, Partial<Ticket>][] = [
    ["addresses", { addresses: [] }],
    ["addresses", { addresses: Array.from({ length: 9 }, () => "a") }],
    ...["", "a b", "a/b", "[::1]", "a\n", "ä.example", "x".repeat(254)].map((address): [string, Partial<Ticket>] => [
      "host name",
      { addresses: [address] },
    ]),
    ...[0, -1, 65536, 1.5, NaN].map((port): [string, Partial<Ticket>] => ["port", { port }]),
    ["2048", { certificate: bytes(2049) }],
  ];
  for (const [reason, part] of wrong) {
    const what = Deno.inspect(part);
    const { message } = assertThrowsCode("BadRequest", () => encodeTicket({ ...TICKET, ...part }), what);
    assert(message.includes(reason), message);
  }
});

Deno.test("decodeTicket() reads a ticket in capitals, broken into lines, and with white space around it", () => {
  const text = encodeTicket(TICKET);
  for (const form of [`  ${text}\r\n`, text.toUpperCase(), text.replace(/.{60}/g, "$&\r\n ")]) {
    assertEquals(plain(decodeTicket(form)), plain(TICKET));
  }
});

Deno.test("decodeTicket() refuses a ticket that is cut anywhere", () => {
  const text = encodeTicket(TICKET);
  for (let i = 0; i < text.length; i++) assertThrowsCode("BadRequest", () => decodeTicket(text.slice(0, i)), `${i}`);
  for (let i = 1; i < text.length - 6; i++) {
    assertThrowsCode("BadRequest", () => decodeTicket(`ferry:${text.slice(6 + i)}`), `from ${i}`);
  }
  assertThrowsCode("BadRequest", () => decodeTicket(`${text}a`));
  assertThrowsCode("BadRequest", () => decodeTicket(text + text));
});

Deno.test("decodeTicket() refuses a ticket with one wrong or two swapped characters", () => {
  const text = encodeTicket(TICKET);
  for (let i = 6; i < text.length; i++) {
    const [before, here, next, after] = [text.slice(0, i), text.charAt(i), text.charAt(i + 1), text.slice(i + 2)];
    const other = here === "a" ? "b" : "a";
    const { message } = assertThrowsCode("BadRequest", () => decodeTicket(before + other + next + after), `${i}`);
    assert(message.includes("mistyped"), message);
    if (next !== "" && next !== here) {
      assertThrowsCode("BadRequest", () => decodeTicket(before + next + here + after), `${i} swapped`);
    }
  }
});

Deno.test("decodeTicket() says what is wrong with a ticket whose checksum is right", () => {
  const address = [1, 1, "a"] as const;
  const wrong: Record<string, string> = {
    "another version": sealed(2, "whatever comes"),
    "port": sealed(1, 0, 0, SECRET, ...address, NO_CERTIFICATE),
    "0 addresses": sealed(1, PORT, SECRET, 0, NO_CERTIFICATE),
    "9 addresses": sealed(1, PORT, SECRET, 9, ...Array.from({ length: 9 }, () => [1, "a"]).flat(), NO_CERTIFICATE),
    "host name": sealed(1, PORT, SECRET, 1, 1, "\n", NO_CERTIFICATE),
    "ends too early": sealed(1, PORT, SECRET, ...address, 0, 5, "1234"),
    "more in it": sealed(1, PORT, SECRET, ...address, NO_CERTIFICATE, 0),
    "too large": sealed(1, PORT, SECRET, ...address, 8, 1, new Uint8Array(2049)),
    "begins with": "http://example.org",
    "too long": `ferry:${"a".repeat(20_000)}`,
  };
  for (const [reason, text] of Object.entries(wrong)) {
    const { message } = assertThrowsCode("BadRequest", () => decodeTicket(text), reason);
    assert(message.includes(reason), `${reason}: ${message}`);
  }
  for (const address of ["", "\x80", "é", "a b", "\0", "$(x)"]) {
    const text = sealed(1, PORT, SECRET, 1, Buffer.from(address).length, address, NO_CERTIFICATE);
    assertThrowsCode("BadRequest", () => decodeTicket(text), Deno.inspect(address));
  }
});

Deno.test("decodeTicket() never repeats a ticket in its errors", () => {
  const text = encodeTicket(TICKET);
  const { message } = assertThrowsCode("BadRequest", () => decodeTicket(text.slice(0, -1)));
  assertFalse(message.includes(text.slice(6, 20)), message);
});

Deno.test("decodeTicket() gives a good ticket or BadRequest for any damage, with or without a right checksum", () =>
  withRandom((random) => {
    const original = decodeBase32(encodeTicket(TICKET).slice(6)) ?? new Uint8Array();
    for (let i = 0; i < 2000; i++) {
      const damaged = random.damage(original);
      const text = random.below(2) === 0 ? `ferry:${encodeBase32(damaged)}` : sealed(damaged.subarray(0, -4));
      try {
        const { addresses, port, certificate } = decodeTicket(text);
        assert(addresses.length >= 1 && addresses.length <= 8 && port >= 1 && port <= 65535);
        assert(certificate === undefined || certificate.length > 0);
      } catch (error) {
        assert(error instanceof FerryError && error.code === "BadRequest", Deno.inspect(error));
      }
    }
  }));

Deno.test("isTicket() tells a ticket from a host name", () => {
  for (const text of ["ferry:", " ferry:abc", "FERRY:abc"]) assert(isTicket(text), text);
  for (const text of ["", "ferry", "ferry.example.org", "aferry:"]) assertFalse(isTicket(text), text);
});
