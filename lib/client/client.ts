import { cannot, FerryError } from "../core/errors.ts";
import type { Digest, Entry, FileMetadata, Receipt } from "../core/metadata.ts";
import { parseRemotePath, type RemotePath, ROOT } from "../core/remote_path.ts";
import { eitherSignal } from "../core/unless_aborted.ts";
import type { Welcome } from "../protocol/codec.ts";
import type { CommandName, Right } from "../protocol/commands.ts";
import { verbOf } from "../protocol/commands.ts";
import { copyContent } from "../transfer/content.ts";
import { localSource, localTarget } from "../transfer/local.ts";
import type { Place } from "../transfer/place.ts";
import { readToStream, storeStream } from "../transfer/streams.ts";
import { closeSoon } from "./close_soon.ts";
import type { CommandOptions, PutOptions, TransferOptions } from "./command_options.ts";
import { type OpenConnection, openConnection } from "./connect.ts";
import { ConnectionPool } from "./connection_pool.ts";
import type { PoolOptions } from "./pool_connections.ts";
import type { Pipeline } from "./pipeline.ts";
import { RemoteStorage } from "./remote_storage.ts";

/** Where and how to connect. */
export interface ConnectOptions extends Omit<PoolOptions, "onLost"> {
  /** Gives up connecting when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A session with a server, which ends with its connection. Commands may be started without waiting for earlier ones; they
 * are pipelined. What would have to wait for a file, a listing or an upload that the program has open goes over a
 * further connection. Every failure is a `FerryError`; one that the server answered leaves the session usable.
 */
export class Client implements AsyncDisposable {
  /** The address of the server, `host:port`. */
  readonly peer: string;
  /** What the server allows. */
  readonly welcome: Welcome;
  /** The files of the server, for all that works on storages. */
  readonly storage: RemoteStorage;
  /** Fulfilled with the reason when the connection has ended. */
  readonly ended: Promise<FerryError>;
  readonly #pool: ConnectionPool;
  readonly #own: Pipeline;
  /** Aborted with the reason when the connection has ended. */
  readonly #ending = new AbortController();
  /** Commands that are under way; each may make several requests. */
  #commands = 0;
  #isClosing = false;
  #idle: PromiseWithResolvers<void> | undefined;

  /** Use {@linkcode connect}. @param first The connection that the session lives with. */
  constructor(options: ConnectOptions, first: OpenConnection) {
    this.#pool = new ConnectionPool(options, first);
    if (!this.#pool.first) throw new TypeError("a pool begins with the connection that it is given");
    this.#own = this.#pool.first;
    this.peer = first.connection.peer;
    this.welcome = first.welcome;
    this.storage = new RemoteStorage(this.#pool);
    this.ended = this.#own.ended;
    void this.ended.then((reason) => {
      // While it closes, its other connections end in order, too.
      if (!this.#pool.isClosing) this.#pool.fail(reason);
      this.#ending.abort(reason);
    });
  }

  /** Whether the server lets this session do that. */
  may(right: Right): boolean {
    return this.welcome.allows.includes(right);
  }

  /** Whether the connection has ended. */
  get hasEnded(): boolean {
    return this.#own.hasEnded;
  }

  /**
   * The entries of a directory, streamed, in the order of their paths' bytes; with `recursive` also those of all
   * directories in it.
   *
   * @param path The directory; the served one when absent. The entries' paths are relative to it.
   */
  dir(path?: string, options: CommandOptions & { recursive?: boolean } = {}): AsyncIterableIterator<Entry> {
    try {
      this.#throwIfClosing();
      return this.storage.list(pathOf("dir", path), options);
    } catch (error) {
      return failed(error);
    }
  }

  /** Kind, size, time and version of a file or directory; of the served directory when `path` is absent. */
  stat(path?: string, options: CommandOptions = {}): Promise<FileMetadata> {
    return this.#command(() => this.storage.stat(pathOf("stat", path), options));
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
    target: string | WritableStream<Uint8Array>,
    options: TransferOptions = {},
  ): Promise<FileMetadata> {
    return this.#command(async () => {
      if (typeof target !== "string") return await this.#getStream(path, target, options);
      const source = this.#place("get", path);
      return (await copyContent(source, localTarget(target), { ...options, verb: "get" })).metadata;
    });
  }

  /**
   * Uploads a file.
   *
   * @param source A local path, or a stream of bytes.
   * @param path The name that it gets on the server, where it shows only when it is complete.
   */
  put(source: string | ReadableStream<Uint8Array>, path: string, options: PutOptions = {}): Promise<Receipt> {
    return this.#command(async () => {
      if (typeof source !== "string") return await this.#putStream(source, path, options);
      const target = this.#place("put", path);
      const file = localSource(source);
      const known = await lookAt(file);
      return (await copyContent(file, target, { ...options, known, verb: "put" })).receipt;
    });
  }

  /** The SHA-256 of a file on the server, in lower-case hex, with its size in bytes and version. */
  sum(path: string, options: CommandOptions = {}): Promise<Digest> {
    return this.#command(() => this.storage.digest(pathOf("sum", path), options));
  }

  /** Makes a directory; with `parents` also those above it, and none of them is an error when it exists. */
  mkdir(path: string, options: CommandOptions & { parents?: boolean } = {}): Promise<void> {
    return this.#command(() => this.storage.mkdir(pathOf("mkdir", path), options));
  }

  /** Renames or moves a file or directory; never onto something that exists. */
  rename(path: string, to: string, options: CommandOptions = {}): Promise<void> {
    return this.#command(() => this.storage.rename(pathOf("rename", path), pathOf("rename", to), options));
  }

  /** Removes a file or an empty directory; with `recursive` also what is in a directory. */
  remove(path: string, options: CommandOptions & { recursive?: boolean } = {}): Promise<void> {
    return this.#command(() => this.storage.remove(pathOf("remove", path), options));
  }

  /** Sends a line to the operator of the server. */
  say(text: string, { signal }: CommandOptions = {}): Promise<void> {
    return this.#command(async () => void await this.#pool.ask({ command: "say", text }, signal));
  }

  /**
   * Ends the session. Takes no more commands, waits until all earlier ones have ended, however long each may take, and
   * gives the server 2 s to close its side then. To end it sooner, abort what is under way.
   *
   * @throws {FerryError} `Disconnected`, also when the connection was lost before.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#commands > 0) await (this.#idle ??= Promise.withResolvers()).promise;
    await this.#pool.close();
  }

  /** Ends the session as `close` does, but what is under way for 2 s more is given up. Never throws. */
  [Symbol.asyncDispose](): Promise<void> {
    return closeSoon(() => this.close(), (late) => this.#pool.fail(late));
  }

  /** Runs a command that may make several requests; `close` waits for its end. */
  async #command<T>(run: () => Promise<T>): Promise<T> {
    this.#throwIfClosing();
    this.#commands++;
    try {
      return await run();
    } finally {
      if (--this.#commands === 0) this.#idle?.resolve();
    }
  }

  async #getStream(
    path: string,
    stream: WritableStream<Uint8Array>,
    { overwrite, resume, durable, ...options }: TransferOptions,
  ): Promise<FileMetadata> {
    try {
      refuseGiven("get", path, { overwrite, resume, durable });
      return await readToStream(this.#place("get", path), stream, { ...options, signal: this.#untilEnd(options) });
    } catch (error) {
      if (!stream.locked) stream.abort(error).catch(() => {});
      throw error;
    }
  }

  async #putStream(
    stream: ReadableStream<Uint8Array>,
    path: string,
    { resume, ...options }: PutOptions,
  ): Promise<Receipt> {
    try {
      refuseGiven("put", path, { resume });
      return await storeStream(stream, this.#place("put", path), { ...options, signal: this.#untilEnd(options) });
    } catch (error) {
      if (!stream.locked) stream.cancel(error).catch(() => {});
      throw error;
    }
  }

  /** A stream may stall for ever; the end of the connection ends it, too. */
  #untilEnd({ signal }: CommandOptions): AbortSignal {
    return eitherSignal(signal, this.#ending.signal);
  }

  #throwIfClosing(): void {
    if (this.#isClosing && !this.hasEnded) throw new FerryError("Disconnected", "the connection was closed");
  }

  #place(command: CommandName, path: string): Place {
    return { storage: this.storage, path: pathOf(command, path), shown: path };
  }
}

/** The path that a command is about. The rules of this machine's own file system do not matter. */
function pathOf(command: CommandName, path: string | undefined): RemotePath {
  if (path === undefined) return ROOT;
  try {
    return parseRemotePath(path, false);
  } catch (error) {
    throw cannot(verbOf(command), path, error);
  }
}

/** What is known of a local file. */
async function lookAt({ storage, path, shown }: Place): Promise<FileMetadata> {
  try {
    const metadata = await storage.stat(path);
    if (metadata.kind === "file") return metadata;
    throw new FerryError("IsADirectory", "it is a directory");
  } catch (error) {
    throw cannot("read", shown, error);
  }
}

/** Refuses options that mean nothing for a stream: nothing of it is there already, was kept, or is on a disk. */
function refuseGiven(command: "get" | "put", path: string, options: Readonly<Record<string, unknown>>): void {
  const given = Object.keys(options).find((name) => options[name] !== undefined);
  if (given === undefined) return;
  throw cannot(command, path, new FerryError("BadRequest", `"${given}" means nothing for a stream`));
}

// deno-lint-ignore require-yield
async function* failed(error: unknown): AsyncGenerator<never> {
  throw error;
}

/**
 * Connects to a server.
 *
 * @throws {FerryError} `Unreachable` when nobody answers there or it is not a Ferry server; `Unauthorized` when either
 * end does not trust the other; `Unsupported` when it speaks another version; `Cancelled`.
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  return new Client(options, await openConnection(options, options.signal));
}
