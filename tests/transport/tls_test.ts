import { assert, assertEquals, assertThrows } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { certificateDer, certificatePem, type Identity, INTERNAL_NAME } from "../../lib/transport/tls.ts";
import type { ByteConn } from "../../lib/transport/connection.ts";
import { connectPinned, connectTls, type SecureLink } from "../../lib/transport/tls_client.ts";
import { type Secure, secureServer } from "../../lib/transport/tls_server.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { assertFailsWith, assertThrowsCode } from "../helpers/failures.ts";
import { concat, sameBytes } from "../helpers/frames.ts";
import { DENO, PROJECT } from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { AUTHORITY, pem } from "../helpers/certificates.ts";

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

const HERE = { hostname: "127.0.0.1", port: 0 };
const DAY_MS = 24 * 60 * 60 * 1000;
const YEAR_MS = 365.25 * DAY_MS;

/** A client of a test: what it does with a new connection. */
type Connect = (conn: Deno.TcpConn) => Promise<SecureLink>;

/** A server for one connection after the other. */
class Server implements Disposable {
  readonly #listener = Deno.listen(HERE);
  readonly #secure: Secure;
  readonly plain: Deno.TcpConn[] = [];
  /** Gives up the handshakes. */
  readonly ending = new AbortController();

  constructor(identity: Identity) {
    this.#secure = secureServer(identity);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  connect(): Promise<Deno.TcpConn> {
    return Deno.connect({ hostname: "127.0.0.1", port: this.port });
  }

  async accept(): Promise<ByteConn> {
    const conn = await this.#listener.accept();
    this.plain.push(conn);
    conn.setNoDelay(true);
    return await this.#secure(conn, this.ending.signal);
  }

  /** Lets a client connect; gives both ends, whose handshakes may fail. */
  meet(connect: Connect): Outcome {
    const accepted = this.accept();
    const link = (async () => connect(await this.connect()))();
    const settled = Promise.allSettled([link, accepted]);
    return {
      link,
      accepted,
      async [Symbol.asyncDispose]() {
        const [client, server] = await within(settled, "the end of both");
        if (client.status === "fulfilled") close(client.value.conn);
        if (server.status === "fulfilled") server.value.close();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const conn of this.plain) close(conn);
  }
}

/** What the client got, and the server's connection. */
interface Outcome extends AsyncDisposable {
  readonly link: Promise<SecureLink>;
  readonly accepted: Promise<ByteConn>;
}

function close(conn: Pick<Deno.Conn, "close">): void {
  try {
    conn.close();
  } catch {
    // It was closed by the test, or by a failure.
  }
}

/** Passes connections on, until it is told to spoil what the server sends. */
class FaultyRelay implements AsyncDisposable {
  readonly #listener = Deno.listen(HERE);
  readonly #relaying: Promise<void>;
  #client: Deno.TcpConn | undefined;
  #server: Deno.TcpConn | undefined;
  #flip = false;

  constructor(port: number) {
    this.#relaying = this.#relay(port);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async break(fault: "flip" | "cut"): Promise<void> {
    if (fault === "flip") this.#flip = true;
    else await this.#client?.closeWrite();
  }

  async #relay(port: number): Promise<void> {
    const client = this.#client = await this.#listener.accept();
    const server = this.#server = await Deno.connect({ hostname: "127.0.0.1", port });
    await Promise.all([this.#pass(client, server), this.#pass(server, client)]).catch(() => {});
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const space = new Uint8Array(16 * 1024);
    for (let n = await from.read(space); n !== null; n = await from.read(space)) {
      // The last byte of a record belongs to its authentication tag.
      if (this.#flip) space[n - 1] = (space[n - 1] ?? 0) ^ 1;
      await writeAll(to, space.subarray(0, n));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of [this.#client, this.#server]) if (conn) close(conn);
    await this.#relaying;
  }
}

async function readAll(conn: Pick<Deno.Conn, "read">): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const space = new Uint8Array(64 * 1024);
  for (let n = await conn.read(space); n !== null; n = await conn.read(space)) parts.push(space.slice(0, n));
  return concat(...parts);
}

async function writeAll(conn: Pick<Deno.Conn, "write">, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length;) done += await conn.write(data.subarray(done));
}

/** Fails unless the client refuses the server with `code`; gives the client's error, and the server's. */
async function refuses(
  code: FerryError["code"],
  shown: Identity,
  connect: Connect,
): Promise<{ error: FerryError; serverError: unknown }> {
  using server = new Server(shown);
  await using both = server.meet(connect);
  const serverEnd = both.accepted.then(() => undefined, (error: unknown) => error);
  const error = await assertFailsWith(code, () => within(both.link, "the refusal"));
  return { error, serverError: await within(serverEnd, "the server's end") };
}

const pinning = (certificate: string): Connect => (conn) => connectPinned(conn, certificate);

Deno.test("secureServer() refuses a damaged certificate or key, and a key of another certificate", async () => {
  const [a, b] = await Promise.all([createIdentity(), createIdentity()]);
  const wrong: Identity[] = [
    { certificate: "", key: a.key },
    { certificate: a.certificate, key: "" },
    { certificate: "x", key: "y" },
    { certificate: a.certificate, key: a.certificate },
    { certificate: certificatePem(bytes(9)), key: a.key },
    { certificate: a.certificate, key: a.key.replace(/\n.{9}/, "\nAAAAAAAAA") },
  ];
  for (const each of wrong) assertThrowsCode("BadRequest", () => secureServer(each), Deno.inspect(each));
  const { message } = assertThrowsCode("BadRequest", () => secureServer({ ...a, key: b.key }));
  assertEquals(message, "the key does not belong to the certificate");
});

Deno.test("connectPinned() reaches the server with the pinned certificate, whatever its address", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  await using both = server.meet(pinning(identity.certificate));
  const [{ conn, certificate }, accepted] = await within(Promise.all([both.link, both.accepted]));
  assertEquals(certificate, certificateDer(identity.certificate));
  await conn.write(new TextEncoder().encode("hello"));
  await conn.closeWrite();
  assertEquals(await within(readAll(accepted)), new TextEncoder().encode("hello"));
});

Deno.test("connectPinned() refuses the same name with another key", async () => {
  const [own, other] = await Promise.all([createIdentity(), createIdentity()]);
  const { error, serverError } = await refuses("Unauthorized", other, pinning(own.certificate));
  assert(error.message.includes("not the one in the ticket"), error.message);
  await assertFailsWith("Unauthorized", () => Promise.reject(serverError));
});

Deno.test("connectPinned() refuses another certificate of the same key, and hangs up", async () => {
  const identity = await createIdentity();
  // Deno does not check the signature of a certificate that it is told to trust.
  const other = certificatePem(
    certificateDer(identity.certificate).map((byte, i, { length }) => i < length - 1 ? byte : byte ^ 1),
  );
  using server = new Server(identity);
  await using both = server.meet(pinning(other));
  const { message } = await assertFailsWith("Unauthorized", () => within(both.link));
  assert(message.includes("not the one in the ticket"), message);
  assertEquals(await within(readAll(await both.accepted)), new Uint8Array());
});

Deno.test("connectPinned() refuses a certificate of an authority that nobody knows", async () => {
  const own = await createIdentity();
  const { error } = await refuses("Unauthorized", ISSUED, pinning(own.certificate));
  assert(error.message.includes("not the one in the ticket"), error.message);
});

Deno.test("connectPinned() refuses what the pinned certificate itself has issued", async () => {
  const { error } = await refuses("Unauthorized", ISSUED, pinning(AUTHORITY.certificate));
  assert(error.message.includes("not the one in the ticket"), error.message);
});

Deno.test("connectPinned() refuses the pinned certificate once it has expired, and before it is valid", async () => {
  for (const now of [Date.now() - 11 * YEAR_MS, Date.now() + 2 * DAY_MS]) {
    const identity = await createIdentity(new Date(now));
    const { error } = await refuses("Unauthorized", identity, pinning(identity.certificate));
    assert(error.message.includes("expired"), error.message);
  }
});

Deno.test("connectPinned() refuses another certificate also when the environment trusts its authority", async () => {
  await using dir = await tempDir();
  const own = await createIdentity();
  await Deno.writeTextFile(dir.join("ca.pem"), AUTHORITY.certificate);
  using server = new Server(ISSUED);
  const module = new URL("../../lib/transport/tls_client.ts", import.meta.url).href;
  const script = `import { connectPinned, connectTls } from ${JSON.stringify(module)};
    const connect = () => Deno.connect({ hostname: "127.0.0.1", port: ${server.port} });
    const { conn } = await connectTls(await connect(), "localhost");
    conn.close();
    console.log("trusted");
    await connectPinned(await connect(), ${JSON.stringify(own.certificate)})
      .then(() => console.log("connected"), ({ code, message }) => console.log(code, message));`;
  await Deno.writeTextFile(dir.join("client.ts"), script);
  const args = ["run", "--allow-all", "--no-check", "--config", `${PROJECT}/deno.json`, dir.join("client.ts")];
  const child = new Deno.Command(DENO, { args, env: { DENO_CERT: dir.join("ca.pem"), NO_COLOR: "1" }, stdin: "null" });
  const accepting = (async () => {
    for (const _ of ["connectTls", "connectPinned"]) {
      const conn = await server.accept();
      await readAll(conn).catch(() => {});
      conn.close();
    }
  })();
  const { stdout, stderr } = await within(child.output(), "the other process", 20_000);
  const said = new TextDecoder().decode(stdout);
  assert(/^trusted\nUnauthorized .*not the one in the ticket/.test(said), said + new TextDecoder().decode(stderr));
  await within(accepting);
});

Deno.test("connectPinned() refuses a damaged certificate, and closes the connection", async () => {
  using listener = Deno.listen(HERE);
  for (const certificate of ["", "x", certificatePem(bytes(9)), pem("CERTIFICATE", "!!!!")]) {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using accepted = await listener.accept();
    await assertFailsWith("BadRequest", () => within(connectPinned(tcp, certificate)), certificate);
    assertEquals(await within(readAll(accepted)), new Uint8Array());
  }
});

Deno.test("connectTls() reaches a server whose certificate the given authority has issued for the host", async () => {
  using server = new Server({ ...ISSUED, certificate: ISSUED.certificate + AUTHORITY.certificate });
  for (const hostname of ["localhost", "127.0.0.1"]) {
    await using both = server.meet((conn) => connectTls(conn, hostname, { ca: AUTHORITY.certificate }));
    const { certificate } = await within(both.link);
    assertEquals(certificate, certificateDer(ISSUED.certificate));
  }
});

Deno.test("connectTls() says why it refuses a certificate", async () => {
  const expired = await createIdentity(new Date(Date.now() - 11 * YEAR_MS));
  const own = await createIdentity();
  const cases: [string, Identity, string, string | undefined][] = [
    ["--ca FILE", ISSUED, "localhost", undefined],
    ["--ca FILE", own, INTERNAL_NAME, AUTHORITY.certificate],
    ["another host name", ISSUED, "example.org", AUTHORITY.certificate],
    ["another host name", ISSUED, "127.0.0.2", AUTHORITY.certificate],
    ["expired", expired, INTERNAL_NAME, expired.certificate],
    ["CA:FALSE", AUTHORITY, "localhost", AUTHORITY.certificate],
  ];
  for (const [reason, shown, hostname, ca] of cases) {
    const { error } = await refuses("Unauthorized", shown, (conn) => connectTls(conn, hostname, { ca }));
    assert(error.message.includes(reason), `${reason}: ${error.message}`);
  }
});

Deno.test("connectTls() refuses a --ca without a certificate, and a host name that is none", async () => {
  using listener = Deno.listen(HERE);
  for (const [hostname, ca] of [["localhost", "no certificate"], ["a b", AUTHORITY.certificate]] as const) {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using accepted = await listener.accept();
    await assertFailsWith("BadRequest", () => within(connectTls(tcp, hostname, { ca })), hostname);
    assertEquals(await within(readAll(accepted)), new Uint8Array());
  }
});

Deno.test("connectPinned() refuses a server that speaks another protocol, or none, over TLS", async () => {
  const { certificate, key } = await createIdentity();
  for (const alpn of [{ alpnProtocols: ["h2"] }, {}]) {
    using listener = Deno.listenTls({ ...HERE, cert: certificate, key, ...alpn });
    const accepting = (async () => {
      const conn = await listener.accept();
      await conn.handshake().catch(() => {});
      close(conn);
    })();
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const { message } = await assertFailsWith("Unsupported", () => within(connectPinned(tcp, certificate)));
    assert(message.includes("ferry/1"), message);
    await within(accepting);
  }
});

Deno.test("connectPinned() refuses a server without TLS, whatever it says first", async () => {
  const { certificate } = await createIdentity();
  using listener = Deno.listen(HERE);
  const accepting = (async () => {
    const conn = await listener.accept();
    await writeAll(conn, new TextEncoder().encode('\0\0\0\0\0\0\0\r\x01{"ferry":[1]}'));
    return conn;
  })();
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const { message } = await assertFailsWith("Unsupported", () => within(connectPinned(tcp, certificate)));
  assertEquals(message, "the server does not speak TLS");
  close(await accepting);
});

Deno.test("connectPinned() reports a server that hangs up", async () => {
  const { certificate } = await createIdentity();
  using listener = Deno.listen(HERE);
  const accepting = listener.accept().then(close);
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  await assertFailsWith("Disconnected", () => within(connectPinned(tcp, certificate)));
  await accepting;
});

Deno.test("connectPinned() ends with its signal: a deadline, a cancellation, one that came before", async () => {
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

Deno.test("secureServer() refuses clients without TLS, with another protocol and without any, and hangs up", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  const options = { hostname: INTERNAL_NAME, caCerts: [identity.certificate] };
  const clients: [FerryError["code"], (conn: Deno.TcpConn) => Promise<unknown>][] = [
    ["BadRequest", (conn) => writeAll(conn, new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"))],
    ["BadRequest", (conn) => writeAll(conn, bytes(100_000))],
    ["Unsupported", async (conn) => (await Deno.startTls(conn, { ...options, alpnProtocols: ["h2"] })).handshake()],
    ["Unsupported", async (conn) => (await Deno.startTls(conn, options)).handshake()],
    ["Disconnected", (conn) => conn.closeWrite()],
    ["Disconnected", async (conn) => conn.close()],
  ];
  for (const [code, client] of clients) {
    const tcp = await server.connect();
    const talking = client(tcp).catch(() => {});
    await assertFailsWith(code, () => within(server.accept()), code);
    await talking;
    assertThrows(() => server.plain.at(-1)?.close(), Deno.errors.BadResource);
    close(tcp);
  }
});

Deno.test("secureServer() frees the socket at once when the handshake is given up", async () => {
  using server = new Server(await createIdentity());
  using silent = await server.connect();
  const accepting = server.accept();
  while (server.plain.length === 0) await delay(1);
  server.ending.abort(new FerryError("Timeout", "too late"));
  await assertFailsWith("Timeout", () => within(accepting));
  assertEquals(await within(readAll(silent)), new Uint8Array());
});

Deno.test("secureServer() frees the socket at once when a client that does not read is given up", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  await using both = server.meet(pinning(identity.certificate));
  const [{ conn }, accepted] = await within(Promise.all([both.link, both.accepted]));
  // Much more than the system and the streams have room for.
  const failed = assertFailsWith("Disconnected", () => accepted.write(new Uint8Array(64 * 1024 * 1024)));
  const ending = assertFailsWith("Disconnected", () => accepted.closeWrite());
  await delay(50);
  accepted.close();
  await within(Promise.all([failed, ending]));
  const error = await within(readAll(conn).then(() => undefined, (error: unknown) => error));
  assert(error instanceof Error, "the client saw an orderly end");
});

Deno.test("secureServer() does not let one silent client keep another one waiting", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  const silent = await server.connect();
  const waiting = server.accept();
  await using both = server.meet(pinning(identity.certificate));
  await within(Promise.all([both.link, both.accepted]));
  silent.close();
  await assertFailsWith("Disconnected", () => within(waiting));
});

Deno.test("secureServer() lets one direction go on when the other has ended", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  const [question, answer] = [bytes(300_000, 1), bytes(3_000_000, 2)];
  for (const firstTo of ["client", "server"] as const) {
    await using both = server.meet(pinning(identity.certificate));
    const [{ conn }, accepted] = await within(Promise.all([both.link, both.accepted]));
    const [first, second] = firstTo === "server" ? [conn, accepted] : [accepted, conn];
    const reading = readAll(second);
    await within(writeAll(first, question));
    await first.closeWrite();
    assert(sameBytes(await within(reading), question));
    const replying = readAll(first);
    await within(writeAll(second, answer));
    await second.closeWrite();
    assert(sameBytes(await within(replying), answer));
  }
});

Deno.test("secureServer() gives what arrives in pieces as small as they are asked for", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  await using both = server.meet(pinning(identity.certificate));
  const [{ conn }, accepted] = await within(Promise.all([both.link, both.accepted]));
  const sent = bytes(1000);
  await writeAll(conn, sent);
  await conn.closeWrite();
  const got: number[] = [];
  const space = new Uint8Array(7);
  for (let n = await within(accepted.read(space)); n !== null; n = await within(accepted.read(space))) {
    got.push(...space.subarray(0, n));
  }
  assertEquals(Uint8Array.from(got), sent);
});

Deno.test("secureServer() ends what waits when the connection is closed, by either end", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  for (const by of ["server", "client"] as const) {
    await using both = server.meet(pinning(identity.certificate));
    const [{ conn }, accepted] = await within(Promise.all([both.link, both.accepted]));
    const reading = accepted.read(new Uint8Array(9));
    if (by === "client") {
      conn.close();
      assertEquals(await within(reading), null);
    } else {
      accepted.close();
      accepted.close();
      await assertFailsWith("Disconnected", () => within(reading));
      await assertFailsWith("Disconnected", () => within(accepted.write(new Uint8Array(9))));
      await assertFailsWith("Disconnected", () => within(accepted.closeWrite()));
    }
  }
});

Deno.test("TLS does not hold small messages back until the one before was acknowledged, either way", async () => {
  const identity = await createIdentity();
  using server = new Server(identity);
  for (const by of ["server", "client"] as const) {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      await using both = server.meet(pinning(identity.certificate));
      const [{ conn }, accepted] = await within(Promise.all([both.link, both.accepted]));
      const [from, to] = by === "server" ? [accepted, conn] : [conn, accepted];
      const start = performance.now();
      for (let k = 0; k < 3; k++) {
        await writeAll(from, Uint8Array.of(k));
        await to.read(new Uint8Array(1));
      }
      times.push(performance.now() - start);
    }
    // The system waits 40 ms before it acknowledges by itself, in a new connection at least once.
    const median = times.sort((a, b) => a - b)[2] ?? Infinity;
    assert(median < 25, `${by}: ${times} ms`);
  }
});

Deno.test("connectPinned() notices records that were changed, and connections that were cut", async () => {
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
