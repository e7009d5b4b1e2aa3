import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseAddress } from "../../../lib/cli/client/server_address.ts";
import { UsageError } from "../../../lib/cli/terminal/usage.ts";
import { DEFAULT_PORT } from "../../../lib/protocol/constants.ts";
import { parseClientArguments } from "../../../lib/cli/client/client_arguments.ts";
import { keyHashOf } from "../../../lib/transport/tls.ts";
import { Secret } from "../../../lib/auth/secret.ts";
import { encodeTicket } from "../../../lib/auth/ticket.ts";
import { MADE, ticketFor } from "../../helpers/tickets.ts";
import { usageError } from "../../helpers/failures.ts";
import { SHARED_MODES } from "../../helpers/modes.ts";
import { tempDir } from "../../helpers/temp.ts";

Deno.test("parseAddress() takes HOST and HOST:PORT", () => {
  assertEquals(parseAddress("files.example"), { hostname: "files.example", port: DEFAULT_PORT });
  assertEquals(parseAddress("192.0.2.7:0"), { hostname: "192.0.2.7", port: 0 });
  assertEquals(parseAddress("localhost:65535"), { hostname: "localhost", port: 65535 });
});

Deno.test("parseAddress() takes IPv6 addresses in brackets", () => {
  assertEquals(parseAddress("[::1]"), { hostname: "::1", port: DEFAULT_PORT });
  assertEquals(parseAddress("[2001:db8::1]:80"), { hostname: "2001:db8::1", port: 80 });
  assertEquals(parseAddress("[fe80::1%eth0]:80"), { hostname: "fe80::1%eth0", port: 80 });
});

Deno.test("parseAddress() takes bare IPv6 addresses, which have no port", () => {
  const addresses = ["::", "::1", "::ffff:192.0.2.7", "2001:db8::1", "2001:db8:0:0:0:0:0:1", "fe80::1", "fe80::1%eth0"];
  for (const hostname of addresses) assertEquals(parseAddress(hostname), { hostname, port: DEFAULT_PORT });
});

Deno.test("parseAddress() refuses what is no address", () => {
  const wrong = ["", " ", "a b", "host:", "host:x", "host:65536", "host:1:2", "[::1", "[::1]:", "[::1]x"];
  for (const text of wrong) assertThrows(() => parseAddress(text), UsageError, undefined, text);
});

Deno.test("parseAddress() refuses a missing host or port, also where it looks like IPv6", () => {
  for (const text of [":7878", ":", "[]:80", "192.0.2.7:", "cafe:"]) {
    assertThrows(() => parseAddress(text), UsageError, undefined, text);
  }
});

Deno.test(
  "parseAddress() refuses a ticket's file that others may read, and does not repeat it",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using dir = await tempDir();
    const file = dir.join("ticket");
    Deno.writeTextFileSync(file, `${ticketFor(["127.0.0.1"], 4711)}\n`, { mode: 0o600 });
    assertEquals(parseAddress(file).port, 4711);
    for (const mode of SHARED_MODES) {
      Deno.chmodSync(file, mode);
      const message = usageError(() => parseAddress(file));
      assertEquals(
        message,
        `Cannot read the ticket in "${file}": other users may read or write it; run: chmod 600 ${file}`,
      );
    }
  },
);

Deno.test("parseAddress() and parseClientArguments() take a ticket for all they need", () => {
  const ticket = ticketFor(["127.0.0.1", "::1"], 4711);
  for (const text of [ticket, ticket.toUpperCase(), ` ${ticket}\n`, ticket.replace(/.{60}/g, "$&\n")]) {
    const address = parseAddress(text);
    assertEquals([address.hostname, address.port, address.otherHostnames], ["127.0.0.1", 4711, ["::1"]]);
    assertEquals(address.keyHash, keyHashOf(MADE.identity.certificate));
    assertEquals(address.secret?.text, MADE.secret.text);
  }
  const parsed = parseClientArguments([ticket, "get", "a", "--fast"]);
  assert(typeof parsed === "object");
  assertEquals(parsed.words, ["get", "a", "--fast"]);
  assertEquals(parsed.address?.port, 4711);
});

Deno.test("parseAddress() gives no hash of a key for a ticket that has none", () => {
  const address = parseAddress(encodeTicket({ addresses: ["h"], port: 1, secret: MADE.secret }));
  assertEquals([address.keyHash, address.tls], [undefined, {}]);
  assertEquals(address.secret?.text, MADE.secret.text);
});

Deno.test("parseAddress() refuses a ticket that is cut or mistyped, and does not repeat it", () => {
  const secret = Secret.create();
  const ticket = encodeTicket({ addresses: ["127.0.0.1"], port: 4711, secret });
  const bad = [
    "ferry:",
    "ferry:7878",
    ticket.slice(0, -1),
    ticket.slice(0, 30),
    `${ticket}a`,
    ticket.replace("a", "b"),
  ];
  for (const text of bad.filter((each) => each !== ticket)) {
    const message = usageError(() => parseAddress(text));
    assertMatch(message, /mistyped|complete/, text);
    assert(!message.includes(ticket.slice(6, 26)), message);
  }
});

Deno.test("parseAddress() does not repeat a ticket or secret that was mistyped beyond recognition", () => {
  const ticket = ticketFor(["127.0.0.1"], 4711);
  const { text: secret } = Secret.create();
  for (const typed of [ticket.replace("ferry", "fery"), `[${ticket}`, `a:${ticket}`, `h:${secret}`, `a b ${secret}`]) {
    const { message } = assertThrows(() => parseAddress(typed), UsageError);
    for (const part of [ticket.slice(6, 26), secret]) assert(!message.includes(part), message);
  }
});

Deno.test("parseAddress() says how to name a ticket's file, and takes no other file for one", async () => {
  await using dir = await tempDir();
  const before = Deno.cwd();
  Deno.chdir(dir.path);
  try {
    Deno.writeTextFileSync("office.ticket", ticketFor(["127.0.0.1"], 4711), { mode: 0o600 });
    Deno.writeTextFileSync("localhost", "no ticket", { mode: 0o600 });
    const { message } = assertThrows(() => parseAddress("office.ticket"), UsageError);
    assertEquals(
      message,
      '"office.ticket" is no address; for the ticket in the file of that name, write "./office.ticket"',
    );
    assertEquals(parseAddress("localhost").hostname, "localhost");
    assertEquals(parseAddress("missing.ticket").hostname, "missing.ticket");
  } finally {
    Deno.chdir(before);
  }
});
