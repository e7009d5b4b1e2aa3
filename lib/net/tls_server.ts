import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { createSecureContext, TLSSocket, type TLSSocketOptions } from "node:tls";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { ALPN_PROTOCOL, checkIdentity, explain, type Identity, requireProtocol } from "./certificate.ts";
import { type ByteConn, closeQuietly } from "./connection.ts";
import { takeTurn } from "./turn.ts";

/**
 * Makes the server's side of TLS for plain connections.
 *
 * It is not `Deno.listenTls`, because a connection of that keeps its socket open after `close()` for as long as the
 * client likes, when the handshake is not complete or the client does not read, and because it delays small answers
 * (Nagle's algorithm) without a way to turn that off. Here `conn` stays the caller's: closing it ends everything.
 *
 * @returns What completes the handshake of one connection. There is no deadline in it: close the plain connection, and
 * it rejects with `Disconnected`. It rejects with a `FerryError`, and closes the connection: `BadRequest` when the
 * client does not speak TLS, `Unsupported` when it does not speak Ferry's protocol over it, `Unauthorized` when it does
 * not accept the certificate, `Disconnected`.
 * @throws {FerryError} `BadRequest` when certificate and key are damaged or do not belong together.
 */
export function secureServer({ certificate, key }: Identity): (conn: Deno.TcpConn) => Promise<ByteConn> {
  checkIdentity({ certificate, key });
  const secureContext = createSecureContext({ cert: certificate, key, minVersion: "TLSv1.3" });
  return async (conn) => {
    const secured = new SecuredConn(conn, await firstBytes(conn), { secureContext, ALPNProtocols: [ALPN_PROTOCOL] });
    try {
      requireProtocol(await secured.handshake());
      return secured;
    } catch (error) {
      secured.close();
      throw explain(error, "client");
    }
  };
}

/** Space for one read: that of an idle connection, and that of one on which much arrives, in bytes. */
const IDLE_SPACE = 4 * 1024;
const BUSY_SPACE = 64 * 1024;

/** How much may be waiting in a stream, in bytes. Node's usual 64 KiB would halve the speed. */
const WAITING_BYTES = 1024 * 1024;

/**
 * Waits for what a client says first, then for a turn: encryption costs memory and time, which nobody shall have cost
 * us who says nothing, nor many who come at once cost all others.
 */
async function firstBytes(conn: Deno.TcpConn): Promise<Uint8Array> {
  try {
    const space = new Uint8Array(IDLE_SPACE);
    const n = await conn.read(space);
    if (n === null) throw new Deno.errors.UnexpectedEof();
    await takeTurn();
    return space.subarray(0, n);
  } catch (error) {
    closeQuietly(conn);
    throw toFerryError(error);
  }
}

/**
 * Gives the memory of encrypted bytes back at once. They are a copy that `node:tls` has made for this one write; the
 * garbage collector would let hundreds of megabytes of them come together.
 */
function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** A plain connection as a stream for `node:tls`. */
class Transport extends Duplex {
  /** Why it failed, as Deno says it. */
  failure: unknown;
  /** Whether the handshake is complete; an end before that is a failure, which `node:tls` would not notice. */
  greeted = false;
  readonly #conn: Deno.TcpConn;
  #space = new Uint8Array(IDLE_SPACE);
  #first: Uint8Array | undefined;

  /** @param first What was read from the connection before. */
  constructor(conn: Deno.TcpConn, first: Uint8Array) {
    super({ allowHalfOpen: true, highWaterMark: WAITING_BYTES });
    this.#conn = conn;
    this.#first = first;
  }

  override async _read(): Promise<void> {
    try {
      if (this.#first) return await this.#pushFirst(this.#first);
      const n = await this.#conn.read(this.#space);
      if (n === null && !this.greeted) throw new Deno.errors.UnexpectedEof();
      this.push(n === null ? null : Buffer.from(this.#space.subarray(0, n)));
      const size = n === this.#space.length ? BUSY_SPACE : IDLE_SPACE;
      if (size > this.#space.length || (n ?? 0) <= IDLE_SPACE && size < this.#space.length) {
        this.#space = new Uint8Array(size);
      }
    } catch (error) {
      this.destroy(this.#failed(error));
    }
  }

  async #pushFirst(first: Uint8Array): Promise<void> {
    this.#first = undefined;
    // `node:tls` throws where nobody can catch it when a connection fails before its next tick.
    await setImmediate();
    this.push(Buffer.from(first));
  }

  override async _write(bytes: Uint8Array, _encoding: string, done: (error?: Error) => void): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
      release(bytes);
    } catch (error) {
      return done(this.#failed(error));
    }
    done();
  }

  override async _final(done: (error?: Error) => void): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      return done(this.#failed(error));
    }
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    closeQuietly(this.#conn);
    done(error);
  }

  #failed(error: unknown): Error {
    this.failure ??= error;
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The server's end of an encrypted connection. */
class SecuredConn implements ByteConn {
  readonly remoteAddr: Deno.NetAddr;
  readonly #transport: Transport;
  readonly #socket: TLSSocket;
  #pending: Uint8Array | undefined;
  #ended = false;
  #failure: Error | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(plain: Deno.TcpConn, first: Uint8Array, options: TLSSocketOptions) {
    this.remoteAddr = plain.remoteAddr;
    this.#transport = new Transport(plain, first);
    this.#socket = new TLSSocket(this.#transport, { ...options, isServer: true });
    this.#socket.on("readable", () => this.#change()).on("close", () => this.#change());
    this.#socket.on("end", () => {
      this.#ended = true;
      this.#change();
    });
    // "close" comes after it.
    this.#socket.on("error", (error) => void (this.#failure ??= error));
  }

  async handshake(): Promise<Deno.TlsHandshakeInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.once("secure", resolve).once("error", reject).once("close", () => reject(this.#reason()));
    try {
      await promise;
    } catch (error) {
      throw this.#transport.failure ?? error;
    }
    this.#transport.greeted = true;
    return { alpnProtocol: this.#socket.alpnProtocol || null };
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const chunk: unknown = this.#pending ?? this.#socket.read();
      if (chunk instanceof Uint8Array) {
        const n = Math.min(chunk.length, into.length);
        into.set(chunk.subarray(0, n));
        this.#pending = n < chunk.length ? chunk.subarray(n) : undefined;
        return n;
      }
      if (this.#ended) return null;
      if (this.#failure || this.#socket.destroyed) throw this.#reason();
      await this.#changed.promise;
    }
  }

  /** Writes all of `bytes`, which may be used again once it is fulfilled. */
  async write(bytes: Uint8Array): Promise<number> {
    await this.#finish((done) => this.#socket.write(bytes, done));
    return bytes.length;
  }

  async closeWrite(): Promise<void> {
    await this.#finish((done) => this.#socket.end(done));
  }

  close(): void {
    this.#transport.destroy();
    this.#socket.destroy();
  }

  /** Waits for a callback, which never comes when the socket was destroyed before. */
  async #finish(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#socket.destroyed) throw this.#reason();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    start((error) => error ? reject(this.#reason()) : resolve());
    await promise;
  }

  #reason(): FerryError {
    if (this.#transport.failure !== undefined) return toFerryError(this.#transport.failure);
    const message = this.#failure ? "the encrypted connection broke" : "the connection is closed";
    return new FerryError("Disconnected", message, { cause: this.#failure });
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
