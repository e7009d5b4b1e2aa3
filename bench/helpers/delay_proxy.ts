/**
 * A program that stands between clients and servers and adds a round-trip time, as a long line would: every piece of
 * data is held back by half of it, any amount may be under way. A new connection takes a whole round trip.
 *
 * Arguments: round trip in ms, address to listen on, address of the server, ports (the same on both).
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";

/** What may be under way in one direction of a connection, in bytes, so that a receiver that stops stops the sender. */
const LINE_BYTES = 64 * 1024 * 1024;

const READ_BYTES = 256 * 1024;

interface Piece {
  readonly due: number;
  readonly bytes: Uint8Array;
}

/** One direction of a connection. */
class Line {
  readonly #waiting: Piece[] = [];
  #bytes = 0;
  #ended = false;
  #changed = Promise.withResolvers<void>();

  constructor(readonly delayMs: number) {}

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async read(from: Deno.Conn): Promise<void> {
    try {
      for (;;) {
        while (this.#bytes > LINE_BYTES) await this.#changed.promise;
        const space = new Uint8Array(READ_BYTES);
        const n = await from.read(space);
        if (n === null) break;
        // A copy of little, so that it does not hold the memory of much.
        const bytes = n < READ_BYTES / 2 ? space.slice(0, n) : space.subarray(0, n);
        this.#waiting.push({ due: performance.now() + this.delayMs, bytes });
        this.#bytes += n;
        this.#wake();
      }
    } finally {
      this.#waiting.push({ due: performance.now() + this.delayMs, bytes: new Uint8Array(0) });
      this.#ended = true;
      this.#wake();
    }
  }

  async write(to: Deno.Conn): Promise<void> {
    for (;;) {
      const piece = this.#waiting.shift();
      if (!piece) {
        if (this.#ended) break;
        await this.#changed.promise;
        continue;
      }
      const wait = piece.due - performance.now();
      if (wait > 0) await delay(wait);
      for (let at = 0; at < piece.bytes.length;) at += await to.write(piece.bytes.subarray(at));
      this.#bytes -= piece.bytes.length;
      this.#wake();
    }
    await to.closeWrite();
  }
}

async function relay(client: Deno.TcpConn, roundTripMs: number, hostname: string, port: number): Promise<void> {
  client.setNoDelay(true);
  // The client has its connection after one round trip, the server half of one later.
  await delay(roundTripMs);
  const there = new Line(roundTripMs / 2);
  const back = new Line(roundTripMs / 2);
  let server: Deno.TcpConn | undefined;
  const reading = there.read(client).catch(() => {});
  try {
    await delay(roundTripMs / 2);
    server = await Deno.connect({ hostname, port });
    server.setNoDelay(true);
    await Promise.all([there.write(server), back.read(server), back.write(client)]);
  } catch {
    // One end was reset: so is the other.
  } finally {
    client.close();
    server?.close();
    await reading;
  }
}

async function listen(roundTripMs: number, from: string, to: string, port: number): Promise<void> {
  for await (const client of Deno.listen({ hostname: from, port })) void relay(client, roundTripMs, to, port);
}

const [roundTrip = "", from = "", to = "", ...ports] = Deno.args;
await Promise.all(ports.map((port) => listen(Number(roundTrip), from, to, Number(port))));
