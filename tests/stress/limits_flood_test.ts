import { Socket } from "node:net";
import { assertEquals } from "@std/assert";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { keyHashOf } from "../../lib/transport/tls.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { frameBytes } from "../helpers/frames.ts";
import { eventually } from "../helpers/process.ts";
import { Served, within } from "../helpers/raw.ts";

/** WaitingLogins that come as fast as they can, until the end of the scope. */
class Flood implements AsyncDisposable {
  came = 0;
  readonly #conns: Deno.TcpConn[] = [];
  readonly #coming: Promise<void>;
  #over = false;

  /** @param first What each of them says before it falls silent. */
  constructor(served: Served, first: Uint8Array = new Uint8Array()) {
    this.#coming = this.#run(served, first);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.#coming;
    for (const conn of this.#conns) conn.close();
  }

  async #run(served: Served, first: Uint8Array): Promise<void> {
    while (!this.#over) {
      const conn = await Deno.connect(served.address);
      this.#conns.push(conn);
      this.came++;
      // The server may have ended it already.
      if (first.length > 0) await conn.write(first).catch(() => {});
      // Not to run out of descriptors in this process.
      if (this.#conns.length > 500) this.#conns.shift()?.close();
    }
  }
}

const IDENTITY = await createIdentity();
const SECRET = Secret.create();

for (
  const [kind, options, link, first] of [
    ["plain", {}, {}, []],
    ["TLS", { identity: IDENTITY, secret: SECRET }, { keyHash: keyHashOf(IDENTITY.certificate), secret: SECRET }, []],
    // The first bytes of a record that holds a ClientHello of 512 bytes (RFC 8446, section 5.1).
    ["half-begun TLS", { identity: IDENTITY, secret: SECRET }, {
      keyHash: keyHashOf(IDENTITY.certificate),
      secret: SECRET,
    }, [
      22,
      3,
      1,
      2,
      0,
      1,
      0,
    ]],
  ] as const
) {
  Deno.test(`serve() lets clients in during a flood of strangers: ${kind}`, async () => {
    const limits = { unauthenticated: 32 };
    await using served = await Served.with({ "a.txt": "abc" }, { ...options, limits });
    await using flood = new Flood(served, Uint8Array.from(first));
    await eventually("there are more strangers than the limit", () => flood.came > 2 * limits.unauthenticated);
    for (let i = 0; i < 5; i++) {
      const before = flood.came;
      const client = await within(served.connect(link), "the connection");
      const names = await within(Array.fromAsync(client.dir(), ({ path }) => path), "the listing");
      assertEquals(names, ["a.txt"]);
      await client.close();
      await eventually("more strangers came", () => flood.came > before);
    }
    // Those that were ended take a moment to go.
    await eventually("those that were ended go", () => served.server.sessions.length < 2 * limits.unauthenticated);
  });
}

const isLinux = Deno.build.os === "linux";
if (!isLinux) console.log("A test with two addresses is skipped: this system has only 127.0.0.1 for loopback.");

Deno.test("serve() lets a slow client in from another address than a flood's", { ignore: !isLinux }, async () => {
  await using served = await Served.with({}, { limits: { unauthenticated: 32 } });
  const slow = new Socket();
  const closed = Promise.withResolvers<void>();
  slow.on("close", closed.resolve);
  try {
    const received = slow.iterator()[Symbol.asyncIterator]();
    slow.connect({ host: served.address.hostname, port: served.address.port, localAddress: "127.0.0.2" });
    await within(received.next(), "the server's hello");
    await using flood = new Flood(served);
    await eventually("many more strangers came than the limit", () => flood.came > 200);
    slow.write(frameBytes(FrameKind.hello, JSON.stringify({ ferry: 1 })));
    const { value } = await within(received.next(), "the welcome");
    assertEquals((value as Uint8Array)[8], FrameKind.ok);
  } finally {
    slow.destroy();
    await closed.promise;
  }
});
