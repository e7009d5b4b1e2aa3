import { Socket } from "node:net";
import process from "node:process";
import type { Duplex } from "node:stream";
import { FerryError } from "../core/errors.ts";

// All that Ferry uses of Deno 2.9 and Deno does not document. When Deno changes it, `nodeTransport` gives nothing and TLS
// takes more time; `peerCertificate` throws, and no TLS connection is made rather than an unsafe one.

/** A symbol of an object of Deno, or of what it is an instance of, that Deno uses for itself. */
function internalSymbol(target: object, description: string): symbol | undefined {
  for (let each: unknown = target; typeof each === "object" && each !== null; each = Object.getPrototypeOf(each)) {
    const symbol = Object.getOwnPropertySymbols(each).find((symbol) => symbol.description === description);
    if (symbol) return symbol;
  }
  return undefined;
}

/**
 * The certificate (DER) that the server has shown on a connection. `Deno.startTls` checks it but does not tell it, and
 * accepts what any authority of the environment has issued. A client of `node:tls` would be told; but it takes 2.5 times
 * as long to receive, and is less strict about chains of certificates.
 *
 * @throws {FerryError} `Unsupported` when Deno does not tell.
 */
export function peerCertificate(conn: Deno.TlsConn): Uint8Array<ArrayBuffer> {
  const symbol = internalSymbol(conn, "getPeerCertificate");
  const method: unknown = symbol && Reflect.get(conn, symbol);
  const found: unknown = typeof method === "function" ? method.call(conn) : undefined;
  const raw = typeof found === "object" && found !== null && "raw" in found ? found.raw : undefined;
  if (raw instanceof Uint8Array) return Uint8Array.from(raw);
  throw new FerryError(
    "Unsupported",
    `Deno ${Deno.version.deno} does not tell which certificate the server has; use the version that Ferry was made for`,
  );
}

/** What is used of the handle that `node:net` has for a connection. Each gives 0, or the number of an error. */
interface Handle {
  /** Takes a copy of the descriptor of a connection of Deno. */
  openFromRid(rid: unknown): number;
  readStart(): number;
  readStop(): number;
}

/** A connection as a stream for `node:tls`. */
export interface Transport extends Duplex {
  /** Stops taking what arrives from the system, or goes on. */
  hold(isFull: boolean): void;
}

/**
 * The same connection for `node:net`, which gives `node:tls` direct access to it. Close `conn` as well in the end.
 *
 * @returns Undefined when Deno no longer has it; the slower `ConnStream` is used then.
 * @throws {FerryError} `Busy` when there are too many open files.
 */
export function nodeTransport(conn: Deno.TcpConn): Transport | undefined {
  const symbol = internalSymbol(conn, "Deno.internal.rid");
  const rid: unknown = symbol && Reflect.get(conn, symbol);
  const binding: unknown = Reflect.get(process, "binding")?.("tcp_wrap");
  const TCP: unknown = typeof binding === "object" && binding !== null && "TCP" in binding ? binding.TCP : undefined;
  const handle: Handle | undefined = typeof TCP === "function" ? Reflect.construct(TCP, [0]) : undefined;
  if (rid === undefined || typeof handle?.openFromRid !== "function") return undefined;
  if (handle.openFromRid(rid) !== 0) throw new FerryError("Busy", "too many open files; try again");
  const options = { handle, allowHalfOpen: true };
  const hold = (isFull: boolean) => void (isFull ? handle.readStop() : handle.readStart());
  return Object.assign(new Socket(options), { hold });
}
