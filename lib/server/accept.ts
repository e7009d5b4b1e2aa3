import { setTimeout as delay } from "node:timers/promises";
import { FerryError, ownWords, toFerryError } from "../core/errors.ts";
import { formatAddress } from "../transport/address.ts";
import { TimeSlice } from "../transport/scheduler.ts";

/** The pause after a failed accept, in ms: file descriptors may be free again then. */
const ACCEPT_PAUSE_MS = 100;

/** How often the operator is told that accepting fails, in ms. */
const ACCEPT_WARNING_MS = 10_000;

/** What happened, with what the system said, for the operator. */
export function reasonOf(error: unknown): string {
  const { message, cause } = toFerryError(error);
  return cause === undefined ? message : `${message} (${cause})`;
}

/** @throws {FerryError} `Unreachable` when the address cannot be listened on. */
export function listen(hostname: string, port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port });
  } catch (error) {
    const where = formatAddress({ hostname, port });
    if (error instanceof Deno.errors.AddrInUse) {
      throw new FerryError("Unreachable", `Cannot listen on ${where}: the port is in use; choose another with --port`);
    }
    throw new FerryError("Unreachable", `Cannot listen on ${where}: ${ownWords(error)}`, { cause: error });
  }
}

/** Accepts until the listener is closed. Whatever else goes wrong concerns one peer, or passes. */
export async function acceptAll(
  listener: Deno.TcpListener,
  open: (conn: Deno.TcpConn) => void,
  warn: (message: string) => void,
): Promise<void> {
  let warnedAt = -Infinity;
  const slice = new TimeSlice();
  for (;;) {
    try {
      open(await listener.accept());
      if (slice.isOver()) await slice.pass();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) return;
      if (error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionAborted) continue;
      if (error instanceof Deno.errors.ConnectionReset) continue;
      if (performance.now() - warnedAt >= ACCEPT_WARNING_MS) {
        warnedAt = performance.now();
        warn(`Cannot accept connections: ${reasonOf(error)}`);
      }
      await delay(ACCEPT_PAUSE_MS);
    }
  }
}
