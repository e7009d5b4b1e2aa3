import { FerryError } from "../core/errors.ts";
import { HEADER_BYTES } from "../protocol/constants.ts";
import { FrameKind, sealFrame } from "../protocol/frames.ts";
import type { ByteConn } from "./connection.ts";

/** As many of the first bytes as tell an alert of TLS from a frame. */
const FIRST_BYTES = 5;

/** How long a server may say nothing before it is asked whether it uses TLS, in ms. Ferry's greets at once. */
const SILENCE_MS = 200;

/** A frame that says nothing. To a server that uses TLS it is an error. */
const ALIVE = new Uint8Array(HEADER_BYTES);
sealFrame(ALIVE, 0, FrameKind.alive, 0);

/**
 * A client's connection without encryption, which notices when the server uses TLS. Such a server waits for the client;
 * what is no TLS it answers with an alert, which is shorter than the header of a frame.
 */
export class PlainConn implements ByteConn {
  readonly #conn: ByteConn;
  readonly #first: number[] = [];

  constructor(conn: ByteConn) {
    this.#conn = conn;
  }

  get remoteAddr(): Deno.NetAddr {
    return this.#conn.remoteAddr;
  }

  /** @throws {FerryError} `Unreachable` when the server uses TLS, or has said nothing at all. */
  read(into: Uint8Array): Promise<number | null> {
    return this.#first.length < FIRST_BYTES ? this.#readFirst(into) : this.#conn.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#conn.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    this.#conn.close();
  }

  async #readFirst(into: Uint8Array): Promise<number | null> {
    const n = await this.#readOrAsk(into);
    if (n === null && this.#first.length === 0) {
      const message = "the server ended the connection without a word; if it uses encryption, give its ticket";
      throw new FerryError("Unreachable", message);
    }
    this.#first.push(...into.subarray(0, Math.min(n ?? 0, FIRST_BYTES - this.#first.length)));
    if (!isAlert(this.#first)) return n;
    const message = "the server uses encryption; give its ticket, or --ca if an authority has issued its certificate";
    throw new FerryError("Unreachable", message);
  }

  async #readOrAsk(into: Uint8Array): Promise<number | null> {
    // That it cannot be sent is for the read to tell.
    const timer = setTimeout(() => this.#conn.write(ALIVE).catch(() => {}), SILENCE_MS);
    try {
      return await this.#conn.read(into);
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Whether a record with an alert begins with these bytes (RFC 8446, section 5.1). It has a length of two bytes; where
 * the second of these is, a frame has a zero.
 */
function isAlert([kind, major, , high, low]: readonly number[]): boolean {
  return kind === 21 && major === 3 && high === 0 && low === 2;
}
