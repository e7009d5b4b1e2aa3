import type { ByteConn } from "../../lib/transport/connection.ts";
import { ConnStream } from "../../lib/transport/conn_stream.ts";
import { nodeTransport, type Transport } from "../../lib/transport/deno_internals.ts";
import type { Identity } from "../../lib/transport/tls.ts";
import { connectTls, type SecureLink } from "../../lib/transport/tls_client.ts";
import { type Secure, secureServer } from "../../lib/transport/tls_server.ts";
import { concat } from "./frames.ts";
import { within } from "./raw.ts";

export const HERE = { hostname: "127.0.0.1", port: 0 };

/** A client of a test: what it does with a new connection. */
export type Connect = (conn: Deno.TcpConn) => Promise<SecureLink>;

/** A server for one connection after the other. */
export class Server implements Disposable {
  readonly #listener = Deno.listen(HERE);
  readonly #secure: Secure;
  readonly plain: Deno.TcpConn[] = [];
  /** Gives up the handshakes. */
  readonly ending = new AbortController();

  constructor(identity: Identity, transportOf?: (conn: Deno.TcpConn) => Transport) {
    this.#secure = secureServer(identity, transportOf);
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
export interface Outcome extends AsyncDisposable {
  readonly link: Promise<SecureLink>;
  readonly accepted: Promise<ByteConn>;
}

export function close(conn: Pick<Deno.Conn, "close">): void {
  try {
    conn.close();
  } catch {
    // It was closed by the test, or by a failure.
  }
}

/** Passes connections on, until it is told to spoil what the server sends. */
export class FaultyRelay implements AsyncDisposable {
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

export async function readAll(conn: Pick<Deno.Conn, "read">): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const space = new Uint8Array(64 * 1024);
  for (let n = await conn.read(space); n !== null; n = await conn.read(space)) parts.push(space.slice(0, n));
  return concat(...parts);
}

export async function writeAll(conn: Pick<Deno.Conn, "write">, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length;) done += await conn.write(data.subarray(done));
}

/** Connects to the server with this certificate, whatever its name is. */
export function connectPinned(conn: Deno.TcpConn, certificate: string, signal?: AbortSignal): Promise<SecureLink> {
  return connectTls(conn, { certificate, hostname: "another.example" }, signal);
}

/** The same, for `meet`. */
export const pinning = (certificate: string): Connect => (conn) => connectPinned(conn, certificate);

/** Both ways in which `node:tls` gets at a connection. */
export const TRANSPORTS: readonly (readonly [string, (conn: Deno.TcpConn) => Transport])[] = [
  ["with Deno's internals", (conn) => nodeTransport(conn) ?? new ConnStream(conn)],
  ["without Deno's internals", (conn) => new ConnStream(conn)],
];
