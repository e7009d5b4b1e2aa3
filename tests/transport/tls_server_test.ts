import { assert, assertEquals, assertThrows } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { nodeTransport } from "../../lib/transport/deno_internals.ts";
import { type Identity, INTERNAL_NAME } from "../../lib/transport/tls.ts";
import { secureServer } from "../../lib/transport/tls_server.ts";
import { pem } from "../helpers/certificates.ts";
import { assertFailsWith, assertThrowsCode } from "../helpers/failures.ts";
import { sameBytes } from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";
import { within } from "../helpers/raw.ts";
import { close, HERE, pinning, readAll, Server, TRANSPORTS, writeAll } from "../helpers/tls_ends.ts";

Deno.test("nodeTransport() still finds what it uses of Deno, without which TLS is slower", async () => {
  using listener = Deno.listen(HERE);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using _accepted = await listener.accept();
  const transport = nodeTransport(conn);
  assert(transport);
  transport.destroy();
  assertEquals(nodeTransport(Object.create(null)), undefined);
});

Deno.test("secureServer() refuses a damaged certificate or key, and a key of another certificate", async () => {
  const [a, b] = await Promise.all([createIdentity(), createIdentity()]);
  const wrong: Identity[] = [
    { certificate: "", key: a.key },
    { certificate: a.certificate, key: "" },
    { certificate: "x", key: "y" },
    { certificate: a.certificate, key: a.certificate },
    { certificate: pem("CERTIFICATE", bytes(9).toBase64()), key: a.key },
    { certificate: a.certificate, key: a.key.replace(/\n.{9}/, "\nAAAAAAAAA") },
  ];
  for (const each of wrong) assertThrowsCode("BadRequest", () => secureServer(each), Deno.inspect(each));
  const { message } = assertThrowsCode("BadRequest", () => secureServer({ ...a, key: b.key }));
  assertEquals(message, "the key does not belong to the certificate");
});

for (const [how, transportOf] of TRANSPORTS) {
  Deno.test(`secureServer() ${how} refuses clients without TLS, with another protocol and without any, and hangs up`, async () => {
    const identity = await createIdentity();
    using server = new Server(identity, transportOf);
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

  Deno.test(`secureServer() ${how} frees the socket at once when the handshake is given up`, async () => {
    using server = new Server(await createIdentity(), transportOf);
    using silent = await server.connect();
    const accepting = server.accept();
    while (server.plain.length === 0) await delay(1);
    server.ending.abort(new FerryError("Timeout", "too late"));
    await assertFailsWith("Timeout", () => within(accepting));
    assertEquals(await within(readAll(silent)), new Uint8Array());
  });

  Deno.test(`secureServer() ${how} frees the socket at once when a client that does not read is given up`, async () => {
    const identity = await createIdentity();
    using server = new Server(identity, transportOf);
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

  Deno.test(`secureServer() ${how} does not let one silent client keep another one waiting`, async () => {
    const identity = await createIdentity();
    using server = new Server(identity, transportOf);
    const silent = await server.connect();
    const waiting = server.accept();
    await using both = server.meet(pinning(identity.certificate));
    await within(Promise.all([both.link, both.accepted]));
    silent.close();
    await assertFailsWith("Disconnected", () => within(waiting));
  });

  Deno.test(`secureServer() ${how} lets one direction go on when the other has ended`, async () => {
    const identity = await createIdentity();
    using server = new Server(identity, transportOf);
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

  Deno.test(`secureServer() ${how} gives what arrives in pieces as small as they are asked for`, async () => {
    const identity = await createIdentity();
    using server = new Server(identity, transportOf);
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

  Deno.test(`secureServer() ${how} ends what waits when the connection is closed, by either end`, async () => {
    const identity = await createIdentity();
    using server = new Server(identity, transportOf);
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

  Deno.test(`secureServer() ${how} takes little of what nobody reads, and goes on when somebody does`, async () => {
    const identity = await createIdentity();
    using server = new Server(identity, transportOf);
    await using both = server.meet(pinning(identity.certificate));
    const [{ conn }, accepted] = await within(Promise.all([both.link, both.accepted]));
    const piece = bytes(1024 * 1024);
    let sent = 0;
    const sending = (async () => {
      for (let i = 0; i < 64; i++) {
        await writeAll(conn, piece);
        sent += piece.length;
      }
      await conn.closeWrite();
    })();
    // What the system and both ends have room for is taken; then nothing moves.
    for (let before = -1; before < sent;) {
      before = sent;
      await delay(200);
    }
    assert(sent < 32 * piece.length, `${sent} bytes were taken`);
    const space = new Uint8Array(300_000);
    let received = 0;
    for (let n = await within(accepted.read(space)); n !== null; n = await within(accepted.read(space))) {
      const at = received % piece.length;
      assert(
        sameBytes(space.subarray(0, Math.min(n, piece.length - at)), piece.subarray(at, at + n)),
        `at ${received}`,
      );
      received += n;
      // A slow reader: it is full again and again.
      if (received % 7 === 0) await delay(1);
    }
    assertEquals(received, 64 * piece.length);
    await sending;
  });
}
