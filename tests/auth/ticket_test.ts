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
  keyHash: bytes(16, 3),
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
const NO_HASH = Uint8Array.of(0);
const { bytes: SECRET } = TICKET.secret;

Deno.test("decodeTicket() gives back what encodeTicket() was given", () => {
  const { keyHash: _, ...plainTcp } = TICKET;
  const longest = {
    ...TICKET,
    addresses: Array.from({ length: 8 }, () => "x".repeat(253)),
    port: 65535,
  };
  for (const ticket of [TICKET, plainTcp, longest, { ...TICKET, port: 1 }]) {
    assertEquals(plain(decodeTicket(encodeTicket(ticket))), plain(ticket));
  }
});

Deno.test("encodeTicket() keeps its layout", () => {
  const { keyHash = new Uint8Array(), ...plainTcp } = TICKET;
  assertEquals(encodeTicket({ ...plainTcp, addresses: ["a.b"] }), sealed(2, PORT, SECRET, 0, 3, "a.b"));
  const addresses = ["192.0.2.7", "2001:DB8::192.0.2.7", "a.b", "fe80::1%eth0"];
  const ip6 = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 7);
  assertEquals(
    encodeTicket({ ...TICKET, addresses }),
    sealed(2, PORT, SECRET, 16, keyHash, 254, 192, 0, 2, 7, 255, ip6, 3, "a.b", 12, "fe80::1%eth0"),
  );
});

Deno.test("encodeTicket() gives one word that no shell or chat changes", () => {
  assert(/^ferry:[a-z2-7]+$/.test(encodeTicket(TICKET)));
});

Deno.test("encodeTicket() stays below 120 characters with one address of up to 28", () => {
  const longest = ["2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "x".repeat(28), "192.168.100.100"];
  const lengths = longest.map((address) => encodeTicket({ ...TICKET, addresses: [address] }).length);
  assertEquals(lengths, [98, 117, 78]);
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
    ...[15, 17, 32].map((length): [string, Partial<Ticket>] => ["16 bytes", { keyHash: bytes(length) }]),
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
  const address = [1, "a"] as const;
  const wrong: Record<string, string> = {
    "another version": sealed(1, "whatever comes"),
    "port": sealed(2, 0, 0, SECRET, NO_HASH, ...address),
    "0 addresses": sealed(2, PORT, SECRET, NO_HASH),
    "9 addresses": sealed(2, PORT, SECRET, NO_HASH, ...Array.from({ length: 9 }, () => [1, "a"]).flat()),
    "host name": sealed(2, PORT, SECRET, NO_HASH, 1, "\n"),
    "ends too early": sealed(2, PORT, SECRET, NO_HASH, ...address, 255, "2001:db8::1"),
    "16 bytes": sealed(2, PORT, SECRET, 15, bytes(15), ...address),
    "begins with": "http://example.org",
    "too long": `ferry:${"a".repeat(20_000)}`,
  };
  for (const [reason, text] of Object.entries(wrong)) {
    const { message } = assertThrowsCode("BadRequest", () => decodeTicket(text), reason);
    assert(message.includes(reason), `${reason}: ${message}`);
  }
  for (const address of ["", "\x80", "é", "a b", "\0", "$(x)"]) {
    const text = sealed(2, PORT, SECRET, NO_HASH, Buffer.from(address).length, address);
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
        const { addresses, port, keyHash } = decodeTicket(text);
        assert(addresses.length >= 1 && addresses.length <= 8 && port >= 1 && port <= 65535);
        assert(keyHash === undefined || keyHash.length === 16);
      } catch (error) {
        assert(error instanceof FerryError && error.code === "BadRequest", Deno.inspect(error));
      }
    }
  }));

Deno.test("isTicket() tells a ticket from a host name", () => {
  for (const text of ["ferry:", " ferry:abc", "FERRY:abc"]) assert(isTicket(text), text);
  for (const text of ["", "ferry", "ferry.example.org", "aferry:"]) assertFalse(isTicket(text), text);
});
