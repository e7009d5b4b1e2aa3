import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { connect as connectTls, TLSSocket } from "node:tls";
import { Client } from "../../../lib/client/client.ts";
import { ALPN_PROTOCOL } from "../../../lib/transport/tls.ts";
import { type ByteConn, Connection } from "../../../lib/transport/connection.ts";
import { greetServer } from "../../../lib/auth/handshake.ts";
import { Secret } from "../../../lib/auth/secret.ts";
import { decodeTicket } from "../../../lib/auth/ticket.ts";
import { FerryError } from "../../../lib/core/errors.ts";
import { HEADER_BYTES } from "../../../lib/protocol/constants.ts";
import { FrameKind } from "../../../lib/protocol/frames.ts";
import { concat, frameBytes } from "../frames.ts";
import type { Address } from "../proxy.ts";

/** Who is attacked, and from where. */
export interface Target extends Address {
  /** When the server encrypts; without one everything is in the clear and nobody needs a secret. */
  readonly ticket?: string | undefined;
  /** The addresses of this machine that the attack comes from, in turn. */
  readonly from: readonly string[];
}

/** Tells that something was done to the server. */
export type Strike = () => void;

/** Attacks a server until the process ends. */
export type Attack = (target: Target, strike: Strike) => Promise<unknown>;

/** The server, or the system, has ended a connection. */
class Gone extends Error {}

/** How many connections there were. */
let opened = 0;

/** Waits for an event of a socket, unless it fails. */
async function happens(socket: Socket, event: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once(event, resolve).once("error", reject).once("close", reject);
  await promise.catch(() => {
    throw new Gone(`no ${event}`);
  });
}

async function dial({ hostname, port, from }: Target): Promise<Socket> {
  const socket = connect({ host: hostname, port, localAddress: from[opened++ % from.length], noDelay: true });
  await happens(socket, "connect");
  return socket;
}

/** Takes the frame with which a server announces that encryption begins. */
async function takeFrame(socket: Socket): Promise<void> {
  const take = async (length: number): Promise<Buffer> => {
    for (;;) {
      const bytes: Buffer | null = socket.read(length);
      if (bytes) return bytes;
      await happens(socket, "readable");
    }
  };
  await take((await take(HEADER_BYTES)).readUInt32BE(4));
}

/** A connection that is used in ways that the library does not offer. */
export class Hostile implements ByteConn {
  readonly remoteAddr: Deno.NetAddr;
  readonly socket: Socket;
  #changed = Promise.withResolvers<void>();

  private constructor(socket: Socket, { hostname, port }: Target) {
    this.socket = socket;
    this.remoteAddr = { transport: "tcp", hostname, port };
    const change = () => this.#change();
    // What went wrong is told by the calls below.
    socket.on("error", () => {});
    for (const event of ["readable", "drain", "end", "close"]) socket.on(event, change);
  }

  /** Connects, and says nothing, not even for TLS. */
  static async open(target: Target): Promise<Hostile> {
    return new Hostile(await dial(target), target);
  }

  /** Connects, and completes the encryption if the server wants it. */
  static async secured(target: Target): Promise<Hostile> {
    const plain = await dial(target);
    if (target.ticket === undefined) return new Hostile(plain, target);
    await takeFrame(plain);
    // It knows whom it attacks.
    const socket = connectTls({ socket: plain, ALPNProtocols: [ALPN_PROTOCOL], rejectUnauthorized: false });
    await happens(socket, "secureConnect");
    return new Hostile(socket, target);
  }

  /** Connects as a client that has been let in. */
  static async greeted(target: Target): Promise<Hostile> {
    return (await Hostile.client(target)).conn;
  }

  /** A client of the library on a connection of an attacker. */
  static async client(target: Target, secret?: Secret): Promise<{ conn: Hostile; client: () => Client }> {
    const conn = await Hostile.secured(target);
    const ticket = target.ticket === undefined ? undefined : decodeTicket(target.ticket);
    const connection = new Connection(conn);
    const welcome = await greetServer(connection, {
      secret: secret ?? ticket?.secret,
      certificate: conn.certificate,
    });
    return { conn, client: () => new Client(target, { connection, welcome }) };
  }

  /** The certificate (DER) of a server that encrypts. */
  get certificate(): Uint8Array | undefined {
    return this.socket instanceof TLSSocket ? this.socket.getPeerCertificate().raw : undefined;
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const chunk: Uint8Array | null = this.socket.read(Math.min(into.length, this.socket.readableLength) || 1);
      if (chunk) {
        into.set(chunk);
        return chunk.length;
      }
      if (this.socket.readableEnded) return null;
      await this.#next();
    }
  }

  /** Waits until the system takes what is written. */
  async write(bytes: Uint8Array): Promise<number> {
    if (this.socket.destroyed) throw new Gone("the connection is closed");
    if (!this.socket.write(bytes.slice())) await this.#until(() => !this.socket.writableNeedDrain);
    return bytes.length;
  }

  /** Sends requests in one write. */
  async ask(...requests: Record<string, unknown>[]): Promise<void> {
    await this.write(concat(...requests.map((request) => frameBytes(FrameKind.request, JSON.stringify(request)))));
  }

  async closeWrite(): Promise<void> {
    this.socket.end();
  }

  close(): void {
    this.socket.destroy();
  }

  /** Reads, and forgets, while something else is done. */
  ignore(): void {
    // What is wrong with the connection is noticed by whoever writes.
    this.drain().catch(() => {});
  }

  /** Ends the connection as nobody should. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Reads, and forgets, until the connection has ended. */
  async drain(): Promise<void> {
    const scratch = new Uint8Array(256 * 1024);
    while (await this.read(scratch) !== null);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.#next();
  }

  async #next(): Promise<void> {
    if (this.socket.destroyed) throw new Gone("the connection is closed");
    await this.#changed.promise;
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Does something over and over, `workers` times side by side, whatever the server does to its connections. */
export async function overAndOver(workers: number, act: (worker: number) => Promise<unknown>): Promise<void> {
  const work = async (worker: number) => {
    for (;;) {
      try {
        await act(worker);
      } catch (error) {
        if (!(error instanceof Gone || error instanceof FerryError && error.code !== "Corrupt")) throw error;
      }
      await setImmediate();
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
}
