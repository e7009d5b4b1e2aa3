import { connect, type TLSSocket } from "node:tls";
import { FerryError, ownWords, toFerryError } from "../core/errors.ts";
import { closeQuietly } from "./connection.ts";
import { ConnStream } from "./conn_stream.ts";
import { certificatePem, INTERNAL_NAME, LOOK_PROTOCOL } from "./tls.ts";
import { interrupted, NOT_THE_TICKETS, requireKey } from "./tls_client.ts";

/** What a server has shown. Dispose it once the server has surely received the end of the handshake. */
export interface Look extends Disposable {
  /** The certificate (PEM). */
  readonly certificate: string;
}

/**
 * Looks at the certificate of a server of which only the hash of the key is known: `Deno.startTls` must know it before,
 * and `node:tls`, which need not, takes 2.5 times as long to receive. The handshake is all that is sent. Takes `tcp`
 * over.
 *
 * @throws {FerryError} `Unauthorized` when the server has another key, or the handshake fails; `Timeout`, `Cancelled` or
 * `Disconnected`.
 */
export async function lookAtServer(tcp: Deno.TcpConn, keyHash: Uint8Array, signal?: AbortSignal): Promise<Look> {
  const socket = connect({
    socket: new ConnStream(tcp),
    // Whose certificate it is, the hash says.
    rejectUnauthorized: false,
    servername: INTERNAL_NAME,
    minVersion: "TLSv1.3",
    ALPNProtocols: [LOOK_PROTOCOL],
  });
  const end = () => {
    socket.destroy();
    closeQuietly(tcp);
  };
  try {
    await handshake(socket, signal);
    const { raw } = socket.getPeerCertificate();
    requireKey(raw, keyHash);
    return { certificate: certificatePem(raw), [Symbol.dispose]: end };
  } catch (error) {
    end();
    if (signal?.aborted) throw interrupted(signal);
    throw failureOf(error);
  }
}

async function handshake(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const gone = () => reject(new FerryError("Disconnected", "the connection ended too early"));
  const abort = () => reject(signal?.reason);
  // It stays: what comes after the handshake is of no interest.
  socket.on("error", reject).once("secureConnect", resolve).once("end", gone).once("close", gone);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function failureOf(error: unknown): FerryError {
  const known = toFerryError(error);
  if (known.code !== "Internal") return known;
  return new FerryError("Unauthorized", `${NOT_THE_TICKETS} (${ownWords(error)})`, { cause: error });
}
