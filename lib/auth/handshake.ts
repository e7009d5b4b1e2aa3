import { decodeControl, decodeError, MESSAGES, type Welcome } from "../protocol/codec.ts";
import { FerryError } from "../core/errors.ts";
import { type Frame, FrameKind } from "../protocol/frames.ts";
import { PROTOCOL_VERSION } from "../protocol/constants.ts";
import type { Connection } from "../transport/connection.ts";
import { newNonce, ownerOf, prove, type Secret, type Transcript, verify } from "./secret.ts";

/** What the client knows when a connection begins; the certificate (DER) is the one that it was really shown. */
export interface Credentials {
  readonly secret?: Secret | undefined;
  readonly certificate?: Uint8Array | undefined;
}

/** What the server knows: the secrets of those whom it lets in, none for everybody, and its certificate (DER). */
export interface ServerCredentials {
  readonly secrets: readonly Secret[];
  readonly certificate?: Uint8Array | undefined;
}

/** A client that has shown that it knows a secret. */
export interface Authenticated {
  /** Which of the secrets. */
  readonly index: number;
  /** The server's own proof (Base64) for the `ok`. */
  readonly proof: string;
  /** Stands for those who know this secret; see `ownerOf`. */
  readonly owner: string;
}

const encoder = new TextEncoder();

/** The length of a nonce or a proof (32 bytes) in Base64. */
const TOKEN_CHARS = 44;

/** The bytes of a nonce or a proof, none when it is anything else than the Base64 (RFC 4648, section 4) of 32 bytes. */
function decodeToken(token: string | undefined): Uint8Array<ArrayBuffer> {
  try {
    if (token?.length === TOKEN_CHARS) return Uint8Array.fromBase64(token, { lastChunkHandling: "strict" });
  } catch {
    // It is no Base64.
  }
  return new Uint8Array();
}

/** The bytes of a client's proof, none when the frame has no proof in it, whatever is wrong with it. */
function proofIn({ kind, payload }: Frame): Uint8Array<ArrayBuffer> {
  try {
    if (kind === FrameKind.hello) return decodeToken(MESSAGES.proof(decodeControl(payload), "proof").proof);
  } catch {
    // It is no message of that kind.
  }
  return new Uint8Array();
}

/** The bytes of a hello as they travel. */
function bytesOf(hello: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(hello));
}

/**
 * The server's side of the opening. Without the right proof the client learns nothing but the hello.
 *
 * @returns Undefined when no secret is needed.
 * @throws {FerryError} `Unauthorized` for whatever is wrong with the client's nonce or proof; `Unsupported`; `BadRequest`;
 * `Disconnected`.
 */
export async function greetClient(
  connection: Connection,
  { secrets, certificate }: ServerCredentials,
): Promise<Authenticated | undefined> {
  const serverNonce = newNonce();
  const versions = { ferry: [PROTOCOL_VERSION] };
  const serverHello = secrets.length > 0 ? { ...versions, nonce: serverNonce.toBase64() } : versions;
  await connection.send(FrameKind.hello, serverHello);
  const frame = await connection.receive();
  if (frame?.kind !== FrameKind.hello) throw notExpected(frame);
  const clientHello = frame.payload.slice();
  const { ferry, nonce } = MESSAGES.clientHello(decodeControl(clientHello), "hello");
  if (ferry !== PROTOCOL_VERSION) {
    throw new FerryError("Unsupported", `this server speaks version ${PROTOCOL_VERSION} of the protocol only`);
  }
  if (secrets.length === 0) return undefined;
  const clientNonce = decodeToken(nonce);
  if (clientNonce.length !== serverNonce.length) throw unauthorized();
  const proof = await connection.receive();
  if (!proof) throw notExpected(proof);
  const transcript = { serverHello: bytesOf(serverHello), clientHello, serverNonce, clientNonce, certificate };
  const index = verify(secrets, "client", transcript, proofIn(proof));
  const secret = index === undefined ? undefined : secrets[index];
  if (index === undefined || !secret) throw unauthorized();
  return { index, proof: prove(secret, "server", transcript).toBase64(), owner: ownerOf(secret) };
}

/**
 * Tells a client that encryption begins next, and with which certificate (DER).
 *
 * @throws {FerryError} `Disconnected`.
 */
export async function announceTls(connection: Connection, certificate: Uint8Array): Promise<void> {
  await connection.send(FrameKind.hello, { ferry: [PROTOCOL_VERSION], certificate: certificate.toBase64() });
  await connection.flush();
}

/**
 * Waits until the server says that encryption begins next. Nothing of what it says is certain before that has begun.
 *
 * @returns The certificate (DER) that it is about to use; undefined when it does not use any.
 * @throws {FerryError} `Unauthorized` when the certificate is no Base64; `Unreachable` when the other end refuses the
 * client, whose words are not shown; `BadRequest`; `Disconnected`.
 */
export async function awaitTls(connection: Connection): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { certificate } = await receiveHello(connection, refusedBeforeTls);
  if (certificate === undefined) return undefined;
  try {
    return Uint8Array.fromBase64(certificate, { lastChunkHandling: "strict" });
  } catch (error) {
    throw damagedCertificate(error);
  }
}

/** The server has announced something that is no certificate: whatever the reason, it has not shown the right key. */
export function damagedCertificate(cause: unknown): FerryError {
  const message = "the server announced a certificate that is damaged, so nothing was sent to it; ask its owner";
  return new FerryError("Unauthorized", message, { cause });
}

/** Anybody on the way may have written what comes without encryption, and could ask for a secret in these words. */
function refusedBeforeTls({ code }: FerryError): FerryError {
  const why = `the server, or somebody in the middle, refused before the encryption began (${code})`;
  return new FerryError("Unreachable", `${why}; that was not authenticated, so its words are not shown`);
}

/** The server's hello, with its bytes as they travelled. @param refused Makes the error of a refusal. */
async function receiveHello(connection: Connection, refused: (error: FerryError) => FerryError) {
  const frame = await connection.receive();
  if (frame?.kind === FrameKind.disconnect) throw refused(decodeError(frame.payload));
  if (frame?.kind !== FrameKind.hello) throw notExpected(frame);
  const bytes = frame.payload.slice();
  return { ...MESSAGES.serverHello(decodeControl(bytes), "hello"), bytes };
}

/**
 * The client's side of the opening. The secret itself never travels; what does is of no use on any other connection.
 *
 * @throws {FerryError} `Unauthorized` when the server does not know the secret, does not ask for one, or refuses ours;
 * `Unreachable` when it uses encryption and this connection does not; `Unsupported`; `BadRequest`; `Disconnected`.
 */
export async function greetServer(connection: Connection, { secret, certificate }: Credentials): Promise<Welcome> {
  const { ferry, nonce, certificate: announced, bytes: serverHello } = await receiveHello(connection, (error) => error);
  if (announced !== undefined) {
    const hint = "give its ticket, or --ca if an authority has issued its certificate";
    throw new FerryError("Unreachable", `the server uses encryption; ${hint}`);
  }
  if (!ferry.includes(PROTOCOL_VERSION)) {
    throw new FerryError("Unsupported", `the server speaks other versions of the protocol (${ferry.join(", ")})`);
  }
  if (nonce !== undefined && !secret) {
    throw new FerryError("Unauthorized", "the server wants a secret: give its ticket, or --secret-file");
  }
  if (nonce === undefined && secret) {
    throw new FerryError("Unauthorized", "the server does not ask for a secret; it is not the one that ours is for");
  }
  const serverNonce = decodeToken(nonce);
  const clientNonce = newNonce();
  const clientHello = secret ? { ferry: PROTOCOL_VERSION, nonce: clientNonce.toBase64() } : { ferry: PROTOCOL_VERSION };
  const transcript = { serverHello, clientHello: bytesOf(clientHello), serverNonce, clientNonce, certificate };
  const proof = secret && prove(secret, "client", transcript).toBase64();
  await connection.send(FrameKind.hello, clientHello);
  if (proof !== undefined) await connection.send(FrameKind.hello, { proof });
  return await receiveWelcome(connection, secret, transcript);
}

async function receiveWelcome(
  connection: Connection,
  secret: Secret | undefined,
  transcript: Transcript,
): Promise<Welcome> {
  const frame = await connection.receive();
  if (frame?.kind === FrameKind.disconnect) throw decodeError(frame.payload);
  if (frame?.kind !== FrameKind.ok) throw notExpected(frame);
  const welcome = MESSAGES.welcome(decodeControl(frame.payload), "welcome");
  if (secret && verify([secret], "server", transcript, decodeToken(welcome.proof)) === undefined) {
    throw new FerryError("Unauthorized", "the server does not know the secret; it is not the one that ours is for");
  }
  if (welcome.window < 1) throw new FerryError("BadRequest", "the server allows no requests");
  return welcome;
}

/** One answer for every cause, so that nothing can be learned from it. */
export function unauthorized(): FerryError {
  return new FerryError("Unauthorized", "the secret is wrong or missing");
}

function notExpected(frame: unknown): FerryError {
  return frame === undefined
    ? new FerryError("Disconnected", "the other end closed the connection")
    : new FerryError("BadRequest", "this message was not expected here");
}
