import { createServer, type Server, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** Where something listens. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** What goes wrong in one direction of every connection. Bytes are counted from 0 per connection and direction. */
export interface Faults {
  /** How long each piece is held back, in ms. */
  readonly delayMs?: number;
  /** Whether every byte is written by itself. */
  readonly singleBytes?: boolean;
  /** Ends the connection, in both directions, after so many bytes: with a reset, or in order after they were read. */
  readonly cut?: { readonly after: number; readonly by: "reset" | "end" };
  /** Passes nothing on after so many bytes until `release` is called. */
  readonly stallAfter?: number;
  /** How long it then stands still at most, in ms. */
  readonly stallMs?: number;
  /** Turns one bit (0 to 7) of one byte around. */
  readonly flip?: { readonly byte: number; readonly bit: number };
}

/** The faults of both directions. */
export interface ProxyFaults {
  readonly toServer?: Faults;
  readonly toClient?: Faults;
}

/** The first connection has these faults, all that follow have none. */
export function onlyFirst(first: ProxyFaults): ProxyFaults {
  let left: ProxyFaults | undefined = first;
  return {
    get toServer(): Faults {
      return left?.toServer ?? {};
    },
    get toClient(): Faults {
      const faults = left?.toClient ?? {};
      left = undefined;
      return faults;
    },
  };
}

/** One connection through the proxy. */
class Link {
  readonly client: Socket;
  readonly server: Socket;

  constructor(client: Socket, server: Socket) {
    this.client = client;
    this.server = server;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      // An end that resets the connection is what the tests are about; the loops below see it as the end.
      socket.on("error", () => {});
    }
  }

  cut(by: "reset" | "end"): void {
    for (const socket of [this.client, this.server]) {
      if (by === "reset") socket.resetAndDestroy();
      else socket.destroySoon();
    }
  }
}

/** Stands between a client and a server on loopback and makes the faults that networks make. */
export class FaultProxy implements AsyncDisposable {
  readonly address: Address;
  /** Bytes that were passed on, over all connections. */
  readonly passed = { toServer: 0, toClient: 0 };
  /** Fulfilled when a direction stands still for the first time. */
  readonly stalled: Promise<void>;
  readonly #stalled = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();
  readonly #listener: Server;
  readonly #faults: ProxyFaults;
  readonly #links = new Set<Link>();
  readonly #relays = new Set<Promise<void>>();

  private constructor(listener: Server, faults: ProxyFaults) {
    const address = listener.address();
    if (address === null || typeof address === "string") throw new TypeError("the proxy does not listen");
    this.address = { hostname: address.address, port: address.port };
    this.#listener = listener;
    this.#faults = faults;
    this.stalled = this.#stalled.promise;
  }

  /** A proxy that passes connections on to `target`. */
  static async to(target: Address, faults: ProxyFaults = {}): Promise<FaultProxy> {
    const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", resolve);
    await promise;
    const proxy = new FaultProxy(listener, faults);
    listener.on("connection", (client) => {
      const server = new Socket({ allowHalfOpen: true });
      proxy.#open(new Link(client, server));
      server.connect(target.port, target.hostname);
    });
    return proxy;
  }

  /** Lets what was stalled go on, now and from now on. */
  release(): void {
    this.#released.resolve();
  }

  /** Ends all connections at once. */
  cut(by: "reset" | "end"): void {
    for (const link of this.#links) link.cut(by);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
    await Promise.all(this.#relays);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#listener.close(() => resolve());
    await promise;
  }

  #open(link: Link): void {
    this.#links.add(link);
    const { toServer = {}, toClient = {} } = this.#faults;
    const relays = Promise.all([
      this.#relay(link, link.client, link.server, "toServer", toServer),
      this.#relay(link, link.server, link.client, "toClient", toClient),
    ]).then(() => {
      link.client.destroy();
      link.server.destroy();
      this.#links.delete(link);
      this.#relays.delete(relays);
    });
    this.#relays.add(relays);
  }

  /** Passes one direction on until it ends. Never rejects. */
  async #relay(link: Link, from: Socket, to: Socket, way: "toServer" | "toClient", faults: Faults): Promise<void> {
    const { delayMs = 0, cut, flip } = faults;
    let at = 0;
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        // A copy, because the socket may use its buffer again.
        const bytes = Uint8Array.from(chunk as Uint8Array);
        if (delayMs > 0) await delay(delayMs);
        if (flip && flip.byte >= at && flip.byte < at + bytes.length) {
          const i = flip.byte - at;
          bytes[i] = (bytes[i] ?? 0) ^ (1 << flip.bit);
        }
        for (const piece of pieces(bytes, at, faults)) {
          if (faults.stallAfter === at) await this.#stall(faults.stallMs);
          await write(to, piece);
          at += piece.length;
          this.passed[way] += piece.length;
          if (cut && at >= cut.after) return link.cut(cut.by);
        }
      }
      to.end();
    } catch {
      // One end was reset: so is the other.
      link.cut("reset");
    }
  }

  async #stall(ms?: number): Promise<void> {
    this.#stalled.resolve();
    if (ms === undefined) return await this.#released.promise;
    const over = new AbortController();
    const pause = delay(ms, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([this.#released.promise, pause]);
    over.abort();
  }
}

/** `bytes`, which begin at position `at` of the stream, in the pieces that are written at a time. */
function* pieces(bytes: Uint8Array, at: number, { singleBytes, cut, stallAfter }: Faults): Generator<Uint8Array> {
  const borders = [cut?.after, stallAfter].filter((border) => border !== undefined).map((border) => border - at);
  for (let start = 0; start < bytes.length;) {
    const next = Math.min(bytes.length, ...borders.filter((border) => border > start));
    const end = singleBytes ? start + 1 : next;
    yield bytes.subarray(start, end);
    start = end;
  }
}

/** Resolves when the system has taken the bytes; rejects when the other end is gone. */
function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const gone = () => reject(new Error("the socket was closed"));
  if (socket.destroyed) gone();
  else {
    socket.once("close", gone);
    socket.write(bytes, (error) => {
      socket.off("close", gone);
      if (error) reject(error);
      else resolve();
    });
  }
  return promise;
}
