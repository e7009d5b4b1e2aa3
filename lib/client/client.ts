import type { Entry, FileMetadata, Receipt } from "../core/metadata.ts";
import { formatAddress, isLoopback } from "../transport/address.ts";
import { Connection } from "../transport/connection.ts";
import { greetServer } from "../auth/handshake.ts";
import type { RateLimit } from "../transport/rate_limit.ts";
import type { Secret } from "../auth/secret.ts";
import { connectPinned, connectTls, type SecureLink } from "../transport/tls_client.ts";
import type { Messages } from "../protocol/codec.ts";
import type { OkOf, Right } from "../protocol/commands.ts";
import { FerryError, toFerryError } from "../core/errors.ts";
import type { Upload } from "../storage/storage.ts";
import { download, downloadPart, resumeDownload, type Start } from "./download.ts";
import { Exchange } from "./exchange.ts";
import { listing } from "./listing.ts";
import type { LocalFile } from "./local.ts";
import type { CommandOptions, TransferOptions } from "./command_options.ts";
import { type PartOfUpload, upload, type UploadOptions, uploadPart } from "./upload.ts";

/** How long the server may take to accept a connection and to say hello, in ms. */
const CONNECT_TIMEOUT_MS = 10_000;

/** How long the server may take to close its side after `close`, in ms. */
const CLOSE_TIMEOUT_MS = 2_000;

/** Where and how to connect. */
export interface ConnectOptions {
  readonly hostname: string;
  readonly port: number;
  /** Other names and addresses of the same server, tried in turn when nobody answers. */
  readonly otherHostnames?: readonly string[] | undefined;
  /** The certificate (PEM) that the server must have, byte for byte. */
  readonly certificate?: string | undefined;
  /**
   * Accept a certificate that is good for the server's name, from an authority that this computer trusts or one of `ca`
   * (PEM). Without this and `certificate` nothing is encrypted.
   */
  readonly tls?: { readonly ca?: string | undefined } | undefined;
  /** What the server wants to be known. It is not used without encryption, except on loopback. */
  readonly secret?: Secret | undefined;
  /** What the bandwidth is limited to, all connections with the same limit together. */
  readonly rate?: RateLimit | undefined;
  /** Gives up connecting when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Told of lines from the operator of the server. */
  readonly onNotice?: ((notice: Messages["notice"]) => void) | undefined;
}

/**
 * One connection to a server. Commands may be started without waiting for earlier ones; they are pipelined. Every
 * failure is a `FerryError`; one that the server answered leaves the connection usable.
 */
export class Client implements AsyncDisposable {
  /** The address of the server, `host:port`. */
  readonly peer: string;
  /** What the server allows. */
  readonly welcome: Messages["welcome"];
  readonly #connection: Connection;
  readonly #pipeline: Exchange;

  /** Use {@linkcode connect}. */
  constructor(connection: Connection, welcome: Messages["welcome"], onNotice: (notice: Messages["notice"]) => void) {
    this.peer = connection.peer;
    this.welcome = welcome;
    this.#connection = connection;
    this.#pipeline = new Exchange(connection, welcome.window, onNotice);
  }

  /** Fulfilled with the reason when the connection has ended, whoever ended it. */
  get ended(): Promise<FerryError> {
    return this.#pipeline.ended;
  }

  /** Whether the server lets this session do that. */
  may(right: Right): boolean {
    return this.welcome.allows.includes(right);
  }

  /** Whether the connection has ended. */
  get hasEnded(): boolean {
    return this.#pipeline.hasFailed;
  }

  /**
   * The entries of a directory, streamed, sorted by name; with `recursive` those of all directories in it, each
   * after its parent.
   *
   * @param path The directory; the served one when absent. The entries' paths are relative to it.
   */
  dir(path?: string, options: CommandOptions & { recursive?: boolean } = {}): AsyncIterableIterator<Entry> {
    return listing(this.#pipeline, path, options);
  }

  /** Kind, size, time and version of a file or directory; of the served directory when `path` is absent. */
  stat(path?: string, { signal }: CommandOptions = {}): Promise<FileMetadata> {
    return this.#pipeline.ask({ command: "stat", path }, { signal });
  }

  /**
   * Downloads a file.
   *
   * @param path The file on the server.
   * @param target A local path, which shows the file only when it is complete; or a stream, which gets the bytes
   * in pieces of up to 1 MiB and is closed at the end, or aborted.
   * @returns The metadata of the file.
   */
  get(
    path: string,
    target: string | LocalFile | WritableStream<Uint8Array>,
    options: TransferOptions = {},
  ): Promise<FileMetadata> {
    return this.#pipeline.command(() => download(this.#pipeline, path, target, options));
  }

  /**
   * Uploads a file.
   *
   * @param source A local path, or a stream of bytes.
   * @param path The name that it gets on the server, where it shows only when it is complete.
   */
  put(
    source: string | LocalFile | ReadableStream<Uint8Array>,
    path: string,
    options: UploadOptions = {},
  ): Promise<Receipt> {
    return this.#pipeline.command(() => upload(this.#pipeline, source, path, options));
  }

  /** Downloads a range of a file into an upload that is open already; see `ranges.ts`. */
  getPart(path: string, shown: string, upload: Upload, range: Start, options: TransferOptions): Promise<void> {
    return this.#pipeline.command(() => downloadPart(this.#pipeline, path, shown, upload, range, options));
  }

  /** Uploads a range of a file as part of an upload that another connection has begun; see `ranges.ts`. */
  putPart(
    source: LocalFile,
    part: PartOfUpload,
    options: TransferOptions,
  ): Promise<void> {
    return this.#pipeline.command(() => uploadPart(this.#pipeline, source, part, options));
  }

  /** Opens what an earlier download has left, and compares it with the file as it is now; see `ranges.ts`. */
  resumeDownload(path: string, file: LocalFile, options: TransferOptions): Promise<{ upload: Upload; start: Start }> {
    return this.#pipeline.command(() => resumeDownload(this.#pipeline, path, file, options));
  }

  /** The SHA-256 of a file on the server, in lower-case hex, with its size in bytes and version. */
  sum(path: string, { signal }: CommandOptions = {}): Promise<OkOf<"sum">> {
    return this.#pipeline.ask({ command: "sum", path }, { signal });
  }

  /** Makes a directory; with `parents` also those above it, and none of them is an error when it exists. */
  async mkdir(path: string, { signal, parents }: CommandOptions & { parents?: boolean } = {}): Promise<void> {
    await this.#pipeline.ask({ command: "mkdir", path, parents }, { signal });
  }

  /** Renames or moves a file or directory; never onto something that exists. */
  async rename(path: string, to: string, { signal }: CommandOptions = {}): Promise<void> {
    await this.#pipeline.ask({ command: "rename", path, to }, { signal });
  }

  /** Removes a file or an empty directory; with `recursive` also what is in a directory. */
  async remove(path: string, { signal, recursive }: CommandOptions & { recursive?: boolean } = {}): Promise<void> {
    await this.#pipeline.ask({ command: "remove", path, recursive }, { signal });
  }

  /** Sends a line to the operator of the server. */
  async say(text: string, { signal }: CommandOptions = {}): Promise<void> {
    await this.#pipeline.ask({ command: "say", text }, { signal });
  }

  /**
   * Ends the session. Takes no more commands, waits until all earlier ones have ended, however long each may take, and
   * gives the server 2 s to close its side then. To end it sooner, abort what is under way.
   *
   * @throws {FerryError} `Disconnected`, also when the connection was lost before.
   */
  async close(): Promise<void> {
    await this.#pipeline.finish();
    const late = new FerryError("Disconnected", "the server did not close in time");
    const deadline = setTimeout(() => this.#pipeline.fail(late), CLOSE_TIMEOUT_MS);
    try {
      await this.#pipeline.request({ command: "close" });
      await this.#connection.end();
      await this.#pipeline.ended;
    } finally {
      clearTimeout(deadline);
      this.#connection.close();
    }
  }

  /** Ends the session as `close` does, but what is under way for 2 s more is given up. Never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    const late = new FerryError("Disconnected", "the client was disposed of");
    const deadline = setTimeout(() => this.#pipeline.fail(late), CLOSE_TIMEOUT_MS);
    try {
      await this.close();
    } catch {
      // It has ended already.
    } finally {
      clearTimeout(deadline);
    }
  }
}

/**
 * Connects to a server.
 *
 * @throws {FerryError} `Unreachable` when nobody answers there or it is not a Ferry server; `Unauthorized` when either
 * end does not trust the other; `Unsupported` when it speaks another version; `Cancelled`.
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  let failure: unknown;
  for (const hostname of [options.hostname, ...options.otherHostnames ?? []]) {
    try {
      return await connectTo(hostname, options);
    } catch (error) {
      // Something else may answer at one address; it has learned nothing.
      if (!(error instanceof FerryError) || error.code === "Cancelled") throw error;
      failure ??= error;
    }
  }
  throw failure;
}

async function connectTo(hostname: string, options: ConnectOptions): Promise<Client> {
  const { port, secret, rate, onNotice = () => {} } = options;
  const where = formatAddress({ hostname, port });
  const timeout = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  let connection: Connection | undefined;
  const abort = () => connection?.close();
  try {
    const conn = await Deno.connect({ hostname, port, signal });
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
    const link = await encrypt(conn, hostname, options, signal);
    connection = new Connection(link?.conn ?? conn, rate ? [rate] : []);
    signal.addEventListener("abort", abort);
    const welcome = await greetServer(connection, { secret, certificate: link?.certificate });
    return new Client(connection, welcome, onNotice);
  } catch (error) {
    connection?.close();
    if (options.signal?.aborted) throw new FerryError("Cancelled", `Cannot connect to ${where}: cancelled`);
    throw unreachable(
      where,
      timeout.aborted
        ? new FerryError(
          "Timeout",
          "nobody answered in time; a server that uses encryption is reached with its ticket only",
        )
        : error,
    );
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function encrypt(
  conn: Deno.TcpConn,
  hostname: string,
  { certificate, tls, secret }: ConnectOptions,
  signal: AbortSignal,
): Promise<SecureLink | undefined> {
  if (certificate !== undefined) return await connectPinned(conn, certificate, signal);
  if (tls) return await connectTls(conn, hostname, { ...tls, signal });
  if (!secret || isLoopback(conn.remoteAddr.hostname)) return undefined;
  conn.close();
  throw new FerryError("Unauthorized", "a secret is not used without encryption");
}

function unreachable(where: string, thrown: unknown): FerryError {
  const { code, message } = toFerryError(thrown);
  if (thrown instanceof Deno.errors.ConnectionRefused) {
    return new FerryError("Unreachable", `Cannot connect to ${where}: nobody listens there; is the server running?`);
  }
  if (thrown instanceof FerryError) {
    const final = code === "Unsupported" || code === "Unauthorized";
    return new FerryError(final ? code : "Unreachable", `Cannot connect to ${where}: ${message}`);
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new FerryError("Unreachable", `Cannot connect to ${where}: ${reason}`, { cause: thrown });
}
