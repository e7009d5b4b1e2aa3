import { createSecureContext, TLSSocket, type TLSSocketOptions } from "node:tls";
import { Condition } from "../core/condition.ts";
import { FerryError, toFerryError } from "../core/errors.ts";
import { type ByteConn, closeQuietly } from "./connection.ts";
import { ConnStream } from "./conn_stream.ts";
import { nodeTransport, type Transport } from "./deno_internals.ts";
import { takeTurn } from "./scheduler.ts";
import { ALPN_PROTOCOL, checkIdentity, type Identity } from "./tls.ts";

/**
 * Makes the server's side of TLS for plain connections.
 *
 * It is not `Deno.listenTls`, because a connection of that keeps its socket open after `close()` for as long as the
 * client likes, when the handshake is not complete or the client does not read, and because it delays small answers
 * (Nagle's algorithm) without a way to turn that off. Nor is it a server of `node:net`, because one that had too many
 * open files once never accepts again.
 *
 * @param transportOf How `node:tls` gets at a connection.
 * @returns What completes the handshake of one connection, which it takes over. There is no deadline in it: abort the
 * signal, and it rejects with the reason. It rejects with a `FerryError`, and closes the connection: `BadRequest`
 * when the client does not speak TLS, `Unsupported` when it does not speak Ferry's protocol over it, `Unauthorized` when
 * it does not accept the certificate, `Busy` when there are too many open files, `Disconnected`.
 * @throws {FerryError} `BadRequest` when certificate and key are damaged or do not belong together.
 */
export function secureServer(
  { certificate, key }: Identity,
  transportOf: (conn: Deno.TcpConn) => Transport = (conn) => nodeTransport(conn) ?? new ConnStream(conn),
): Secure {
  checkIdentity({ certificate, key });
  const secureContext = createSecureContext({ cert: certificate, key, minVersion: "TLSv1.3" });
  return async (conn, signal) => {
    // What many who come at once cost us shall not keep others waiting.
    await takeTurn();
    let secured: SecuredConn | undefined;
    try {
      secured = new SecuredConn(conn, transportOf(conn), { secureContext, ALPNProtocols: [ALPN_PROTOCOL] });
      await secured.handshake(signal);
      return secured;
    } catch (error) {
      secured?.close();
      closeQuietly(conn);
      throw reasonOf(error);
    }
  };
}

/** Reasons by the codes that `node:tls` gives, the first match counts. */
const REASONS: readonly (readonly [RegExp, FerryError["code"], string])[] = [
  [/^ERR_SSL_NO_APPLICATION_PROTOCOL$/, "Unsupported", `the client does not speak ${ALPN_PROTOCOL}`],
  [
    /^ERR_SSL_.*_ALERT_(.*CERTIFICATE|UNKNOWN_CA|DECRYPT_ERROR)/,
    "Unauthorized",
    "the client does not accept this server's certificate",
  ],
  [/^ERR_SSL_/, "BadRequest", "the client does not speak TLS 1.3"],
  [/(?:)/, "Disconnected", "the connection broke"],
];

/** What a failed handshake means. */
function reasonOf(error: unknown): FerryError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const match = REASONS.find(([pattern]) => pattern.test(code));
  return match && !(error instanceof FerryError)
    ? new FerryError(match[1], match[2], { cause: error })
    : toFerryError(error);
}

/** Completes the encryption of a connection that was accepted. */
export type Secure = (conn: Deno.TcpConn, signal?: AbortSignal) => Promise<ByteConn>;

/** So much that has arrived may wait to be read, in bytes; more is left to the system. */
const WAITING_BYTES = 1024 * 1024;

/** The server's end of an encrypted connection. */
class SecuredConn implements ByteConn {
  readonly remoteAddr: Deno.NetAddr;
  readonly #plain: Deno.TcpConn;
  readonly #transport: Transport;
  readonly #socket: TLSSocket;
  /** What has arrived and was not read yet, and how much that is. */
  readonly #chunks: Uint8Array[] = [];
  #waiting = 0;
  #stopped = false;
  #ended = false;
  #failure: Error | undefined;
  readonly #changed = new Condition();

  constructor(plain: Deno.TcpConn, transport: Transport, options: TLSSocketOptions) {
    this.remoteAddr = plain.remoteAddr;
    this.#plain = plain;
    this.#transport = transport;
    const always = { isServer: true, allowHalfOpen: true };
    this.#socket = new TLSSocket(transport, { ...options, ...always });
    // It must flow: to stop it stops what it gives, but not what arrives, and it does not always start again.
    this.#socket.on("data", (chunk: Uint8Array) => this.#arrived(chunk)).on("close", () => this.#changed.notifyAll());
    this.#socket.on("end", () => {
      this.#ended = true;
      this.#changed.notifyAll();
    });
    // "close" comes after it.
    this.#socket.on("error", (error) => void (this.#failure ??= error));
    transport.on("error", (error) => void (this.#failure ??= error));
  }

  async handshake(signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const gone = () => reject(new FerryError("Disconnected", "the connection ended too early"));
    this.#socket.once("secure", resolve).once("error", reject).once("end", gone).once("close", gone);
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    if (this.#socket.alpnProtocol !== ALPN_PROTOCOL) {
      throw new FerryError("Unsupported", `the client does not speak ${ALPN_PROTOCOL}`);
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const [chunk] = this.#chunks;
      if (chunk) {
        const n = Math.min(chunk.length, into.length);
        into.set(chunk.subarray(0, n));
        if (n === chunk.length) this.#chunks.shift();
        else this.#chunks[0] = chunk.subarray(n);
        this.#waiting -= n;
        this.#control();
        return n;
      }
      if (this.#ended) return null;
      if (this.#failure || this.#socket.destroyed) throw this.#reason();
      await this.#changed.next;
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
    this.#socket.destroy();
    this.#transport.destroy();
    closeQuietly(this.#plain);
  }

  #arrived(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    this.#control();
    this.#changed.notifyAll();
  }

  /** Lets no more arrive than is read. */
  #control(): void {
    const isFull = this.#waiting > WAITING_BYTES;
    if (isFull === this.#stopped || this.#socket.destroyed) return;
    this.#stopped = isFull;
    this.#transport.hold(isFull);
  }

  /** Waits for a callback, which never comes when the socket was destroyed before, nor always when it is meanwhile. */
  async #finish(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#socket.destroyed) throw this.#reason();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const gone = () => reject(this.#reason());
    this.#socket.once("close", gone);
    start((error) => error ? gone() : resolve());
    try {
      await promise;
    } finally {
      this.#socket.off("close", gone);
    }
  }

  #reason(): FerryError {
    const message = this.#failure ? "the encrypted connection broke" : "the connection is closed";
    return new FerryError("Disconnected", message, { cause: this.#failure });
  }
}
