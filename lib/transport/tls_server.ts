import { Socket } from "node:net";
import process from "node:process";
import { createSecureContext, TLSSocket, type TLSSocketOptions } from "node:tls";
import { Condition } from "../core/condition.ts";
import { FerryError } from "../core/errors.ts";
import {
  ALPN_PROTOCOL,
  checkIdentity,
  explain,
  type Identity,
  internalSymbol,
  notThisDeno,
  requireProtocol,
} from "../auth/certificate.ts";
import { type ByteConn, closeQuietly } from "./connection.ts";
import { takeTurn } from "./scheduler.ts";

/**
 * Makes the server's side of TLS for plain connections.
 *
 * It is not `Deno.listenTls`, because a connection of that keeps its socket open after `close()` for as long as the
 * client likes, when the handshake is not complete or the client does not read, and because it delays small answers
 * (Nagle's algorithm) without a way to turn that off.
 *
 * @returns What completes the handshake of one connection, which it takes over. There is no deadline in it: abort the
 * signal, and it rejects with the reason. It rejects with a `FerryError`, and closes the connection: `BadRequest`
 * when the client does not speak TLS, `Unsupported` when it does not speak Ferry's protocol over it, `Unauthorized` when
 * it does not accept the certificate, `Busy` when there are too many open files, `Disconnected`.
 * @throws {FerryError} `BadRequest` when certificate and key are damaged or do not belong together.
 */
export function secureServer({ certificate, key }: Identity): Secure {
  checkIdentity({ certificate, key });
  const secureContext = createSecureContext({ cert: certificate, key, minVersion: "TLSv1.3" });
  return async (conn, signal) => {
    // What many who come at once cost us shall not keep others waiting.
    await takeTurn();
    let secured: SecuredConn | undefined;
    try {
      secured = new SecuredConn(conn, { secureContext, ALPNProtocols: [ALPN_PROTOCOL] });
      requireProtocol(await secured.handshake(signal));
      return secured;
    } catch (error) {
      secured?.close();
      closeQuietly(conn);
      throw explain(error, "client");
    }
  };
}

/** Completes the encryption of a connection that was accepted. */
export type Secure = (conn: Deno.TcpConn, signal?: AbortSignal) => Promise<ByteConn>;

/** What is used of the handle that `node:net` has for a connection. Each gives 0, or the number of an error. */
interface Handle {
  /** Takes a copy of the descriptor of a connection of Deno. */
  openFromRid(rid: unknown): number;
  readStart(): number;
  readStop(): number;
}

/**
 * The same connection for `node:net`, and so for `node:tls`, which otherwise would go through two streams in
 * JavaScript at a third of the speed. Deno has no public way for it; this is one of its own `node:net`. Close `conn` as
 * well in the end.
 *
 * @throws {FerryError} `Unsupported` when Deno has no such way any more; `Busy` when there are too many open files.
 */
function nodeHandle(conn: Deno.TcpConn): Handle {
  const symbol = internalSymbol(conn, "Deno.internal.rid");
  const rid: unknown = symbol && Reflect.get(conn, symbol);
  const binding: unknown = Reflect.get(process, "binding")?.("tcp_wrap");
  const TCP: unknown = typeof binding === "object" && binding !== null && "TCP" in binding ? binding.TCP : undefined;
  const handle: Handle | undefined = typeof TCP === "function" ? Reflect.construct(TCP, [0]) : undefined;
  if (rid === undefined || typeof handle?.openFromRid !== "function") throw notThisDeno("let encryption be added");
  if (handle.openFromRid(rid) !== 0) throw new FerryError("Busy", "too many open files; try again");
  return handle;
}

/** So much that has arrived may wait to be read, in bytes; more is left to the system. */
const WAITING_BYTES = 1024 * 1024;

/** The server's end of an encrypted connection. */
class SecuredConn implements ByteConn {
  readonly remoteAddr: Deno.NetAddr;
  readonly #plain: Deno.TcpConn;
  readonly #handle: Handle;
  readonly #transport: Socket;
  readonly #socket: TLSSocket;
  /** What has arrived and was not read yet, and how much that is. */
  readonly #chunks: Uint8Array[] = [];
  #waiting = 0;
  #stopped = false;
  #ended = false;
  #failure: Error | undefined;
  readonly #changed = new Condition();

  constructor(plain: Deno.TcpConn, options: TLSSocketOptions) {
    this.remoteAddr = plain.remoteAddr;
    this.#plain = plain;
    this.#handle = nodeHandle(plain);
    const forNode = { handle: this.#handle, allowHalfOpen: true };
    this.#transport = new Socket(forNode);
    const always = { isServer: true, allowHalfOpen: true };
    this.#socket = new TLSSocket(this.#transport, { ...options, ...always });
    // It must flow: when `TLSSocket` has stopped because nobody reads, it does not always start again.
    this.#socket.on("data", (chunk: Uint8Array) => this.#arrived(chunk)).on("close", () => this.#changed.notifyAll());
    this.#socket.on("end", () => {
      this.#ended = true;
      this.#changed.notifyAll();
    });
    // "close" comes after it.
    this.#socket.on("error", (error) => void (this.#failure ??= error));
    this.#transport.on("error", (error) => void (this.#failure ??= error));
  }

  async handshake(signal?: AbortSignal): Promise<Deno.TlsHandshakeInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const gone = () => reject(new FerryError("Disconnected", "the connection ended too early"));
    this.#socket.once("secure", resolve).once("error", reject).once("end", gone).once("close", gone);
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      await promise;
      return { alpnProtocol: this.#socket.alpnProtocol || null };
    } finally {
      signal?.removeEventListener("abort", abort);
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
    if (isFull) this.#handle.readStop();
    else this.#handle.readStart();
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
