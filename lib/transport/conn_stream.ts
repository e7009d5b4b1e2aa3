import { Duplex } from "node:stream";
import { closeQuietly } from "./connection.ts";

/** How much is read at a time, in bytes; `node:tls` decrypts pieces of this size fastest. */
const READ_BYTES = 128 * 1024;

/**
 * A connection of Deno as a stream of `node:stream`, all of it documented. Through it `node:tls` takes twice as long to
 * send as it does with direct access to the connection.
 */
export class ConnStream extends Duplex {
  readonly #conn: Deno.TcpConn;
  /** @param conn It is closed with the stream. */
  constructor(conn: Deno.TcpConn) {
    super({ allowHalfOpen: true, autoDestroy: false });
    this.#conn = conn;
  }

  /** Stops taking what arrives from the system, or goes on. */
  hold(isFull: boolean): void {
    if (isFull) this.pause();
    else this.resume();
  }

  override _read(): void {
    void this.#receive();
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(bytes).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#conn.closeWrite().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    closeQuietly(this.#conn);
    done(error);
  }

  /** Never rejects: a failure destroys the stream. */
  async #receive(): Promise<void> {
    const space = new Uint8Array(READ_BYTES);
    try {
      const n = await this.#conn.read(space);
      this.push(n === null ? null : space.subarray(0, n));
    } catch (error) {
      this.destroy(error instanceof Error ? error : undefined);
    }
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) done += await this.#conn.write(bytes.subarray(done));
  }
}
