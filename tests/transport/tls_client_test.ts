import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { certificateDer, certificatePem, type Identity, INTERNAL_NAME } from "../../lib/transport/tls.ts";
import { peerCertificate } from "../../lib/transport/deno_internals.ts";
import { connectTls } from "../../lib/transport/tls_client.ts";
import type { ErrorCode, FerryError } from "../../lib/core/errors.ts";
import { assertFailsWith, assertThrowsCode } from "../helpers/failures.ts";
import { DENO, PROJECT } from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { AUTHORITY, pem } from "../helpers/certificates.ts";
import {
  close,
  type Connect,
  connectPinned,
  FaultyRelay,
  HERE,
  pinning,
  readAll,
  Server,
  writeAll,
} from "../helpers/tls_ends.ts";

const ISSUED: Identity = {
  certificate: pem(
    "CERTIFICATE",
    "MIIBmzCCAUCgAwIBAgIUa7f2+Y8Wg7o8AkqOKeu71WWyTukwCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwOVGVzdCBhdXRob3JpdHkwIBcNMjYx" +
      "MTIwMTEzMTQyWhgPMjEyNjEwMjYxMTMxNDJaMA8xDTALBgNVBAMMBGxlYWYwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASuePnD53jEP2lf" +
      "7JqkrO0aqCpWmEkxLMQHN8aBZDUD0ZW14H9e4sCsMBeOiubpCyHWDwCPmFR1JBxRwXJGTIY3o24wbDAqBgNVHREEIzAhgg5mZXJyeS5pbnRl" +
      "cm5hbIIJbG9jYWxob3N0hwR/AAABMB0GA1UdDgQWBBTfVQCPLgpnFX+v3vyzIe5HGja9jDAfBgNVHSMEGDAWgBQ/KRhvFzaf+NpPTe1sPH5u" +
      "qclN4zAKBggqhkjOPQQDAgNJADBGAiEAvy5rlioVNQhUBrhffw6tGcWUnhcoYV0wG077GbjBjVECIQDri26WQULQmRzr8yVe0gz3mMnG6Q2u" +
      "cT3kgiLkXJb2Qg==",
  ),
  key: pem(
    "PRIVATE KEY",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2dUc0LUs8gA8J2b5ziXIKxdAQ/I4IiHasAD+haiuwc+hRANCAASuePnD53jE" +
      "P2lf7JqkrO0aqCpWmEkxLMQHN8aBZDUD0ZW14H9e4sCsMBeOiubpCyHWDwCPmFR1JBxRwXJGTIY3",
  ),
};

const YEAR_MS = 365.25 * 24 * 60 * 60 * 1000;

const NOT_THE_TICKETS = "the server did not show the ticket's key: ";

/** Nobody can tell a damaged line from somebody in the middle. */
const BROKEN = "the encryption could not begin: the line damages what it carries, or somebody is in the middle";

/** Fails unless the client refuses the server with `code`; gives the client's error, and the server's. */
async function refuses(
  code: ErrorCode,
  shown: Identity,
  connect: Connect,
): Promise<{ error: FerryError; serverError: unknown }> {
  using server = new Server(shown);
  await using both = server.meet(connect);
  const serverEnd = both.accepted.then(() => undefined, (error: unknown) => error);
  const error = await assertFailsWith(code, () => within(both.link, "the refusal"));
  return { error, serverError: await within(serverEnd, "the server's end") };
}

Deno.test("connectTls() reaches the server with the pinned certificate, whatever its address", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  await using both = server.meet(pinning(identity.certificate));
  const [{ conn, certificate }, accepted] = await within(Promise.all([both.link, both.accepted]));
  assertEquals(certificate, certificateDer(identity.certificate));
  await conn.write(new TextEncoder().encode("hello"));
  await conn.closeWrite();
  assertEquals(await within(readAll(accepted)), new TextEncoder().encode("hello"));
});

Deno.test("connectTls() takes no authority's word where a certificate is pinned", async () => {
  const identity = await createIdentity();
  const expecting = (certificate: string): Connect => (conn) =>
    connectTls(conn, { certificate, hostname: "localhost", ca: AUTHORITY.certificate });
  using server = new Server(identity);
  await using both = server.meet(expecting(identity.certificate));
  await within(Promise.all([both.link, both.accepted]));
  const { error } = await refuses("Unreachable", ISSUED, expecting(identity.certificate));
  assertStringIncludes(error.message, BROKEN);
});

Deno.test("connectTls() refuses the same name with another key", async () => {
  const [own, other] = await Promise.all([createIdentity(), createIdentity()]);
  const { error, serverError } = await refuses("Unreachable", other, pinning(own.certificate));
  assertStringIncludes(error.message, BROKEN);
  await assertFailsWith("Unauthorized", () => Promise.reject(serverError));
});

Deno.test("connectTls() refuses another certificate of the same key, and hangs up", async () => {
  const identity = await createIdentity();
  // Deno does not check the signature of a certificate that it is told to trust.
  const other = certificatePem(
    certificateDer(identity.certificate).map((byte, i, { length }) => i < length - 1 ? byte : byte ^ 1),
  );
  using server = new Server(identity);
  await using both = server.meet(pinning(other));
  const { message } = await assertFailsWith("Unauthorized", () => within(both.link));
  assertStringIncludes(message, NOT_THE_TICKETS);
  assertEquals(await within(readAll(await both.accepted)), new Uint8Array());
});

Deno.test("connectTls() refuses a certificate of an authority that nobody knows", async () => {
  const own = await createIdentity();
  const { error } = await refuses("Unreachable", ISSUED, pinning(own.certificate));
  assertStringIncludes(error.message, BROKEN);
});

Deno.test("connectTls() refuses what the pinned certificate itself has issued", async () => {
  const { error } = await refuses("Unauthorized", ISSUED, pinning(AUTHORITY.certificate));
  assertStringIncludes(error.message, NOT_THE_TICKETS);
});

Deno.test("connectTls() refuses the pinned certificate once it has expired, and before it is valid", async () => {
  const dates: [made: string, reason: string][] = [
    ["2011-02-03", "the server's certificate has expired on 2021-02-02; "],
    ["2111-02-03", "the server's certificate is not valid before 2111-02-02; "],
  ];
  for (const [made, reason] of dates) {
    const identity = await createIdentity(new Date(made));
    const { error } = await refuses("Unauthorized", identity, pinning(identity.certificate));
    assertStringIncludes(error.message, reason);
  }
});

Deno.test("connectTls() refuses another certificate also when the environment trusts its authority", async () => {
  await using dir = await tempDir();
  const own = await createIdentity();
  await Deno.writeTextFile(dir.join("ca.pem"), AUTHORITY.certificate);
  using server = new Server(ISSUED);
  const module = new URL("../../lib/transport/tls_client.ts", import.meta.url).href;
  const script = `import { connectTls } from ${JSON.stringify(module)};
    const connect = () => Deno.connect({ hostname: "127.0.0.1", port: ${server.port} });
    const { conn } = await connectTls(await connect(), { hostname: "localhost" });
    conn.close();
    console.log("trusted");
    await connectTls(await connect(), { hostname: "localhost", certificate: ${JSON.stringify(own.certificate)} })
      .then(() => console.log("connected"), ({ code, message }) => console.log(code, message));`;
  await Deno.writeTextFile(dir.join("client.ts"), script);
  const args = ["run", "--allow-all", "--no-check", "--config", `${PROJECT}/deno.json`, dir.join("client.ts")];
  const child = new Deno.Command(DENO, { args, env: { DENO_CERT: dir.join("ca.pem"), NO_COLOR: "1" }, stdin: "null" });
  const accepting = (async () => {
    for (const _ of ["trusted", "refused"]) {
      const conn = await server.accept();
      await readAll(conn).catch(() => {});
      conn.close();
    }
  })();
  const { stdout, stderr } = await within(child.output(), "the other process", 20_000);
  const said = new TextDecoder().decode(stdout);
  assert(said.startsWith(`trusted\nUnauthorized ${NOT_THE_TICKETS}`), said + new TextDecoder().decode(stderr));
  await within(accepting);
});

Deno.test("connectTls() refuses a damaged certificate, and closes the connection", async () => {
  using listener = Deno.listen(HERE);
  const { certificate: good } = await createIdentity();
  const longer = certificatePem(Uint8Array.of(...certificateDer(good), 1));
  for (const certificate of ["", "x", pem("CERTIFICATE", bytes(9).toBase64()), pem("CERTIFICATE", "!!!!"), longer]) {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using accepted = await listener.accept();
    await assertFailsWith("BadRequest", () => within(connectPinned(tcp, certificate)), certificate);
    assertEquals(await within(readAll(accepted)), new Uint8Array());
  }
});

Deno.test("peerCertificate() gives nothing that it is not sure of", async () => {
  using listener = Deno.listen(HERE);
  using plain = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using _accepted = await listener.accept();
  const tells = (told: unknown) => Object.assign(Object.create(null), { [Symbol("getPeerCertificate")]: () => told });
  for (const conn of [plain, Object.create(null), tells(undefined), tells({}), tells({ raw: "x" })]) {
    assertThrowsCode("Unsupported", () => peerCertificate(conn));
  }
  assertEquals(peerCertificate(tells({ raw: Uint8Array.of(1, 2) })), Uint8Array.of(1, 2));
});

Deno.test("connectTls() reaches a server whose certificate the given authority has issued for the host", async () => {
  using server = new Server({ ...ISSUED, certificate: ISSUED.certificate + AUTHORITY.certificate });
  for (const hostname of ["localhost", "127.0.0.1"]) {
    await using both = server.meet((conn) => connectTls(conn, { hostname, ca: AUTHORITY.certificate }));
    const { certificate } = await within(both.link);
    assertEquals(certificate, certificateDer(ISSUED.certificate));
  }
});

Deno.test("connectTls() refuses a certificate that is not good, and says what a good one is", async () => {
  const expired = await createIdentity(new Date(Date.now() - 11 * YEAR_MS));
  const own = await createIdentity();
  const cases: [string, Identity, string, string | undefined][] = [
    ["an unknown authority", ISSUED, "localhost", undefined],
    ["another authority", own, INTERNAL_NAME, AUTHORITY.certificate],
    ["another host name", ISSUED, "example.org", AUTHORITY.certificate],
    ["another address", ISSUED, "127.0.0.2", AUTHORITY.certificate],
    ["expired", expired, INTERNAL_NAME, expired.certificate],
    ["an authority's own", AUTHORITY, "localhost", AUTHORITY.certificate],
  ];
  for (const [what, shown, hostname, ca] of cases) {
    const { error } = await refuses("Unauthorized", shown, (conn) => connectTls(conn, { hostname, ca }));
    assert(error.message.startsWith("the server did not show a certificate that is valid now"), what);
    for (const reason of ["host name", "an authority's own", "--ca FILE", "over TLS"]) {
      assertStringIncludes(error.message, reason, what);
    }
  }
});

Deno.test("connectTls() refuses a --ca without a certificate, and a host name that is none", async () => {
  using listener = Deno.listen(HERE);
  for (const [hostname, ca] of [["localhost", "no certificate"], ["a b", AUTHORITY.certificate]] as const) {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using accepted = await listener.accept();
    await assertFailsWith("BadRequest", () => within(connectTls(tcp, { hostname, ca })), hostname);
    assertEquals(await within(readAll(accepted)), new Uint8Array());
  }
});

Deno.test("connectTls() refuses a server that speaks another protocol, or none, over TLS", async () => {
  const { certificate, key } = await createIdentity();
  const servers: [alpn: { alpnProtocols?: string[] }, code: ErrorCode, reason: string][] = [
    [{ alpnProtocols: ["h2"] }, "Unreachable", BROKEN],
    [{}, "Unsupported", "the server does not speak ferry/1"],
  ];
  for (const [alpn, code, reason] of servers) {
    using listener = Deno.listenTls({ ...HERE, cert: certificate, key, ...alpn });
    const accepting = (async () => {
      const conn = await listener.accept();
      await conn.handshake().catch(() => {});
      close(conn);
    })();
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const { message } = await assertFailsWith(code, () => within(connectPinned(tcp, certificate)));
    assert(message.startsWith(reason), message);
    await within(accepting);
  }
});

Deno.test("connectTls() refuses a server without TLS, whatever it says first", async () => {
  const { certificate } = await createIdentity();
  using listener = Deno.listen(HERE);
  const accepting = (async () => {
    const conn = await listener.accept();
    await writeAll(conn, new TextEncoder().encode('\0\0\0\0\0\0\0\r\x01{"ferry":[1]}'));
    return conn;
  })();
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const { message } = await assertFailsWith("Unreachable", () => within(connectPinned(tcp, certificate)));
  assert(message.startsWith(BROKEN), message);
  close(await accepting);
});

Deno.test("connectTls() reports a server that hangs up", async () => {
  const { certificate } = await createIdentity();
  using listener = Deno.listen(HERE);
  const accepting = listener.accept().then(close);
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  await assertFailsWith("Disconnected", () => within(connectPinned(tcp, certificate)));
  await accepting;
});

Deno.test("connectTls() ends with its signal: a deadline, a cancellation, one that came before", async () => {
  const { certificate } = await createIdentity();
  using listener = Deno.listen(HERE);
  const cancelled = new AbortController();
  const cases = [
    ["Timeout", AbortSignal.timeout(20), () => {}],
    ["Cancelled", cancelled.signal, () => cancelled.abort()],
    ["Cancelled", AbortSignal.abort(), () => {}],
  ] as const;
  for (const [code, signal, act] of cases) {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using silent = await listener.accept();
    const connecting = connectPinned(tcp, certificate, signal);
    if (!signal.aborted) {
      // The client's first message: now it waits for an answer that does not come.
      assert(await within(silent.read(new Uint8Array(9))));
    }
    act();
    await assertFailsWith(code, () => within(connecting), code);
  }
});

Deno.test("connectTls() notices records that were changed, and connections that were cut", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  for (const fault of ["flip", "cut"] as const) {
    const reply = new TextEncoder().encode("reply");
    await using outer = new FaultyRelay(server.port);
    const accepted = server.accept();
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: outer.port });
    const [{ conn }, secured] = await within(Promise.all([connectPinned(tcp, identity.certificate), accepted]));
    await secured.write(reply);
    assertEquals(await within(conn.read(new Uint8Array(9))), reply.length);
    await outer.break(fault);
    if (fault === "flip") await secured.write(reply);
    const error = await within(conn.read(new Uint8Array(9)).then(() => undefined, (error: unknown) => error));
    const wanted = fault === "flip" ? Deno.errors.InvalidData : Deno.errors.UnexpectedEof;
    assert(error instanceof wanted, Deno.inspect(error));
    for (const each of [conn, secured]) close(each);
  }
});
