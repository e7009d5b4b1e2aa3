import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { isWildcard, type ServerIdentity, serverIdentity, writeTicket } from "../../lib/cli/server/identity_files.ts";
import { ticketsOf } from "../../lib/cli/server/protection.ts";
import { parseServerArguments } from "../../lib/cli/server/server_arguments.ts";
import { isLoopback } from "../../lib/transport/address.ts";
import { parseClientArguments } from "../../lib/cli/client/client_arguments.ts";
import { parseAddress } from "../../lib/cli/client/server_address.ts";
import { UsageError } from "../../lib/cli/terminal/usage.ts";
import { certificateDer, checkIdentity } from "../../lib/auth/certificate.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { decodeTicket, encodeTicket } from "../../lib/auth/ticket.ts";
import { assertFailsWith } from "../helpers/failures.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";

const HAS_MODES = { ignore: Deno.build.os === "windows" };

/** One identity is enough for most tests; making it takes longer than they do. */
const MADE = await serverIdentity(undefined);

function modeOf(file: string): number {
  return (Deno.lstatSync(file).mode ?? 0) & 0o777;
}

/** All of an identity, which does not show its secret by itself. */
function contentOf({ identity, secret }: ServerIdentity): Record<string, string> {
  return { ...identity, secret: secret.text };
}

/** Writes a file that only its owner can read. */
function writePrivate(dir: TempDir, content: string | Uint8Array): string {
  const file = dir.join("identity");
  Deno.writeFileSync(file, typeof content === "string" ? new TextEncoder().encode(content) : content, { mode: 0o600 });
  return file;
}

/** The ticket of `MADE`. */
function ticketFor(addresses: string[], port: number): string {
  const certificate = certificateDer(MADE.identity.certificate);
  const [[role, ticket] = []] = ticketsOf(
    { identity: MADE.identity, certificate, addresses, secrets: { full: MADE.secret } },
    port,
  );
  assertEquals(role, "full");
  return ticket ?? "";
}

/** The message of the usage error that `operation` throws. */
function usageError(operation: () => unknown): string {
  try {
    operation();
  } catch (error) {
    assert(error instanceof UsageError, `not a UsageError: ${Deno.inspect(error)}`);
    return error.message;
  }
  throw new Error("expected a UsageError");
}

Deno.test("serverIdentity() makes another certificate, key and secret each time without a file", async () => {
  const other = await serverIdentity(undefined);
  checkIdentity(MADE.identity);
  checkIdentity(other.identity);
  for (const [name, value] of Object.entries(contentOf(MADE))) assertNotEquals(contentOf(other)[name], value, name);
});

Deno.test("serverIdentity() makes the file for its owner only, and reads the same back", HAS_MODES, async () => {
  await using dir = await tempDir();
  const file = dir.join("天线 identity");
  const made = await serverIdentity(file);
  assertEquals(modeOf(file), 0o600);
  const written = Deno.readTextFileSync(file);
  assertEquals(contentOf(await serverIdentity(file)), contentOf(made));
  assertEquals(Deno.readTextFileSync(file), written);
  assertEquals(modeOf(file), 0o600);
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["天线 identity"]);
});

Deno.test("serverIdentity() refuses a file that anybody else may read or write", HAS_MODES, async (t) => {
  await using dir = await tempDir();
  const file = dir.join("identity");
  const made = await serverIdentity(file);
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o777]) {
    await t.step(mode.toString(8), async () => {
      Deno.chmodSync(file, mode);
      const { message } = await assertFailsWith("Refused", () => serverIdentity(file));
      assertStringIncludes(message, "chmod 600");
      assertStringIncludes(message, file);
    });
  }
  for (const mode of [0o600, 0o400, 0o700]) {
    await t.step(`${mode.toString(8)} is good`, async () => {
      Deno.chmodSync(file, mode);
      assertEquals(contentOf(await serverIdentity(file)), contentOf(made));
    });
  }
});

Deno.test("serverIdentity() judges the file that a link leads to", HAS_MODES, async () => {
  await using dir = await tempDir();
  const file = dir.join("identity");
  const made = await serverIdentity(file);
  Deno.symlinkSync(file, dir.join("link"));
  assertEquals(contentOf(await serverIdentity(dir.join("link"))), contentOf(made));
  Deno.chmodSync(file, 0o644);
  await assertFailsWith("Refused", () => serverIdentity(dir.join("link")));
});

Deno.test("serverIdentity() refuses hostile contents, repeats none of them, and leaves the file alone", async (t) => {
  const good = contentOf(MADE);
  const { secret, ...withoutSecret } = good;
  const contents: Record<string, string | Uint8Array> = {
    "nothing": "",
    "white space": " \n",
    "no JSON": "certificate = 1",
    "half of it": JSON.stringify(good).slice(0, 300),
    "null": "null",
    "a number": "1",
    "a list": JSON.stringify([good]),
    "no secret": JSON.stringify(withoutSecret),
    "a secret that is no text": JSON.stringify({ ...good, secret: { toString: secret } }),
    "an empty secret": JSON.stringify({ ...good, secret: "" }),
    "a secret that is too short": JSON.stringify({ ...good, secret: secret?.slice(1) }),
    "a secret that is too long": JSON.stringify({ ...good, secret: `${secret}a` }),
    "a key that is no text": JSON.stringify({ ...good, key: [good.key] }),
    "a certificate that is null": JSON.stringify({ ...good, certificate: null }),
    "a prototype only": `{"__proto__": ${JSON.stringify(good)}}`,
    "many brackets": "[".repeat(100_000),
    "no text": new Uint8Array([0xff, 0xfe, 0, 0x80]),
  };
  for (const [what, content] of Object.entries(contents)) {
    await t.step(what, async () => {
      await using dir = await tempDir();
      const file = writePrivate(dir, content);
      const before = Deno.readFileSync(file);
      const { message } = await assertFailsWith("BadRequest", () => serverIdentity(file));
      assertStringIncludes(message, file);
      assert(!message.includes(MADE.secret.text.slice(0, 8)) && !message.includes("PRIVATE"), message);
      assertEquals(Deno.readFileSync(file), before);
    });
  }
});

Deno.test("serverIdentity() says which file it cannot make or read, and leaves nothing behind", async () => {
  await using dir = await tempDir();
  const missing = dir.join("missing", "identity");
  assertStringIncludes((await assertFailsWith("NotFound", () => serverIdentity(missing))).message, missing);
  Deno.mkdirSync(dir.join("directory"), { mode: 0o700 });
  let failure: unknown;
  try {
    await serverIdentity(dir.join("directory"));
  } catch (error) {
    failure = error;
  }
  assert(failure instanceof Error && failure.name === "FerryError", Deno.inspect(failure));
  assertStringIncludes(failure.message, dir.join("directory"));
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["directory"]);
});

Deno.test("serverIdentity() does not write through a link that leads nowhere", HAS_MODES, async () => {
  await using dir = await tempDir();
  Deno.symlinkSync(dir.join("elsewhere"), dir.join("identity"));
  await assertFailsWith("AlreadyExists", () => serverIdentity(dir.join("identity")));
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["identity"]);
});

Deno.test("ticketsOf() holds certificate, secret, port and addresses, but not the key", () => {
  const ticket = ticketFor(["127.0.0.1", "ferry.example"], 7878);
  const { addresses, port, certificate, secret } = decodeTicket(ticket);
  assertEquals({ addresses, port }, { addresses: ["127.0.0.1", "ferry.example"], port: 7878 });
  assertEquals(certificate, certificateDer(MADE.identity.certificate));
  assertEquals(secret.text, MADE.secret.text);
  assert(ticket.length < 700, `${ticket.length} characters`);
});

Deno.test("writeTicket() replaces an old file and a link, with one for its owner only", HAS_MODES, async (t) => {
  const before: Record<string, (file: string, dir: TempDir) => void> = {
    "nothing": () => {},
    "an old ticket": (file) => Deno.writeTextFileSync(file, "old ".repeat(1000), { mode: 0o600 }),
    "a file that others can read": (file) => Deno.writeTextFileSync(file, "old", { mode: 0o666 }),
    "a link to another file": (file, dir) => Deno.symlinkSync(dir.join("other"), file),
  };
  for (const [what, prepare] of Object.entries(before)) {
    await t.step(what, async () => {
      await using dir = await tempDir();
      Deno.writeTextFileSync(dir.join("other"), "other");
      const file = dir.join("ticket");
      prepare(file, dir);
      await writeTicket(file, "ferry:abc");
      assertEquals(Deno.readTextFileSync(file), "ferry:abc\n");
      assertEquals(modeOf(file), 0o600);
      assert(Deno.lstatSync(file).isFile);
      assertEquals(Deno.readTextFileSync(dir.join("other")), "other");
    });
  }
});

Deno.test("writeTicket() names the file that it cannot write, and not the ticket", async () => {
  await using dir = await tempDir();
  const file = dir.join("missing", "ticket");
  const { message } = await assertFailsWith("NotFound", () => writeTicket(file, "ferry:abc"));
  assertStringIncludes(message, file);
  assert(!message.includes("ferry:abc"), message);
});

Deno.test("isLoopback() is true for what nobody else can reach, and for nothing that only looks like it", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) assert(isLoopback(host), host);
  const reachable = [
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "1127.0.0.1",
    "127.0.0.1.example",
    "localhost.example",
    "::11",
    "",
    "fe80::1",
  ];
  for (const host of reachable) assertEquals(isLoopback(host), false, host);
});

Deno.test("isWildcard() is true for the two addresses that stand for all", () => {
  assert(isWildcard("0.0.0.0") && isWildcard("::"));
  for (const host of ["127.0.0.1", "::1", "10.0.0.0", "localhost"]) assertEquals(isWildcard(host), false, host);
});

Deno.test("parseServerArguments() reads the options for encryption, and protects by default", () => {
  const plain = parseServerArguments([]);
  assert(typeof plain === "object");
  assertEquals([plain.insecure, plain.identity, plain.ticketFile], [false, undefined, undefined]);
  assertEquals(plain.addresses, []);
  const all = parseServerArguments([
    "files",
    "--insecure",
    "--identity",
    "id file",
    "--ticket-file=t",
    "--address",
    "ferry.example",
    "--address",
    "10",
  ]);
  assert(typeof all === "object");
  const { directory, insecure, identity, ticketFile, addresses } = all;
  assertEquals({ directory, insecure, identity, ticketFile }, {
    directory: "files",
    insecure: true,
    identity: "id file",
    ticketFile: "t",
  });
  assertEquals(addresses, ["ferry.example", "10"]);
});

Deno.test("parseServerArguments() refuses options without their value", () => {
  for (const name of ["identity", "ticket-file", "address"]) {
    assertStringIncludes(usageError(() => parseServerArguments([`--${name}=`])), `--${name} needs a value`);
    assertStringIncludes(usageError(() => parseServerArguments(["files", `--${name}`])), `--${name} needs a value`);
  }
  assertStringIncludes(usageError(() => parseServerArguments(["--insecur"])), "does not exist");
});

Deno.test("parseAddress() and parseClientArguments() take a ticket for all they need", () => {
  const ticket = ticketFor(["127.0.0.1", "::1"], 4711);
  for (const text of [ticket, ticket.toUpperCase(), ` ${ticket}\n`, ticket.replace(/.{60}/g, "$&\n")]) {
    const address = parseAddress(text);
    assertEquals([address.hostname, address.port, address.otherHostnames], ["127.0.0.1", 4711, ["::1"]]);
    assertEquals(certificateDer(address.certificate ?? ""), certificateDer(MADE.identity.certificate));
    assertEquals(address.secret?.text, MADE.secret.text);
  }
  const parsed = parseClientArguments([ticket, "get", "a", "--fast"]);
  assert(typeof parsed === "object");
  assertEquals(parsed.words, ["get", "a", "--fast"]);
  assertEquals(parsed.address?.port, 4711);
});

Deno.test("parseAddress() gives no certificate for a ticket that has none", () => {
  const address = parseAddress(encodeTicket({ addresses: ["h"], port: 1, secret: MADE.secret }));
  assertEquals([address.certificate, address.tls], [undefined, {}]);
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
