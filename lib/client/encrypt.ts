import { FerryError } from "../core/errors.ts";
import { eitherSignal } from "../core/unless_aborted.ts";
import { FrameKind } from "../protocol/frames.ts";
import { Connection } from "../transport/connection.ts";
import { PlainConn } from "../transport/plain_conn.ts";
import { connectTls, type Expected, type SecureLink } from "../transport/tls_client.ts";

/** Opens one more connection without encryption to the address in question. */
type Open = () => Promise<Deno.TcpConn>;

/** The certificates (PEM) that servers have shown, by the hash of their key as the caller has it. */
const shown = new WeakMap<Uint8Array, string>();

/**
 * Connects to a server with encryption. The key of one that is known by its hash is looked at first, once.
 *
 * @throws {FerryError} As `connectTls`, and what `open` throws; `Unauthorized` when the server does not encrypt.
 */
export async function encrypt(open: Open, expected: Expected, signal: AbortSignal): Promise<SecureLink> {
  const { keyHash } = expected;
  let tcp: Deno.TcpConn | undefined;
  try {
    if (!keyHash) return await connectTls(tcp = await open(), expected, signal);
    const { lookAtServer } = await import("../transport/tls_look.ts");
    using look = shown.has(keyHash) ? undefined : await lookAtServer(tcp = await open(), keyHash, signal);
    if (look) shown.set(keyHash, look.certificate);
    return await connectTls(tcp = await open(), { ...expected, ca: shown.get(keyHash) }, signal);
  } catch (error) {
    if (!tcp || signal.aborted || !await isPlain(open, signal)) throw error;
    const what = keyHash
      ? ": it was started without, or is not the one that the ticket is from; ask its owner"
      : "; --insecure connects to it without, so that everybody on the way can read and change everything";
    throw new FerryError("Unauthorized", `the server does not use encryption${what}`);
  }
}

/** How long a server may take to show that it uses no encryption, in ms. One that does answers as fast, or not at all. */
const PLAIN_MS = 3_000;

/** Whether a server greets without encryption, as Ferry's does. It learns nothing. */
async function isPlain(open: Open, signal: AbortSignal): Promise<boolean> {
  const ending = eitherSignal(signal, AbortSignal.timeout(PLAIN_MS));
  let connection: Connection | undefined;
  const abort = () => connection?.close();
  ending.addEventListener("abort", abort);
  try {
    connection = new Connection(new PlainConn(await open()));
    if (ending.aborted) return false;
    const frame = await connection.receive();
    return frame?.kind === FrameKind.hello || frame?.kind === FrameKind.disconnect;
  } catch {
    // Whatever it is, it is not Ferry without encryption.
    return false;
  } finally {
    ending.removeEventListener("abort", abort);
    connection?.close();
  }
}
