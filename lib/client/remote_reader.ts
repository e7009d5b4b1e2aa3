import type { FileMetadata } from "../core/metadata.ts";
import type { RemotePath } from "../core/remote_path.ts";
import { FerryError } from "../core/errors.ts";
import { throwIfAborted } from "../core/unless_aborted.ts";
import { MESSAGES } from "../protocol/codec.ts";
import type { Reader, ReadOptions } from "../storage/storage.ts";
import type { ConnectionPool } from "./connection_pool.ts";
import { type AnswerHandler, PendingRequest, violation } from "./pending_request.ts";

/** What is known of a file before the server has said it. */
const UNKNOWN: FileMetadata = { kind: "file", size: 0, mtimeMs: 0, version: "" };

/**
 * A file as it arrives. What has arrived is given where it is, and nothing more is received before it was used, so that a
 * slow reader holds the server up.
 */
export class RemoteReader implements Reader, AnswerHandler {
  metadata: FileMetadata = UNKNOWN;
  length = 0;
  readonly #pool: ConnectionPool;
  readonly #request: PendingRequest;
  readonly #options: ReadOptions;
  readonly #opened = Promise.withResolvers<Reader>();
  #isReady = false;
  #received = 0;
  /** The server has said that this is the end. */
  #hasEnd = false;
  #isDone = false;
  #failure: FerryError | undefined;
  /** What has arrived and was not given yet. */
  #arrived: Uint8Array | undefined;
  /** Lets receiving go on. */
  #release: (() => void) | undefined;
  #failing: PromiseWithResolvers<FerryError> | undefined;
  /** Settles a read that waits for more. */
  #asking: PromiseWithResolvers<Uint8Array | null> | undefined;

  constructor(pool: ConnectionPool, path: RemotePath, options: ReadOptions) {
    const { offset, length, ifVersion, signal } = options;
    this.#pool = pool;
    this.#options = options;
    this.#request = new PendingRequest({ command: "get", path, offset, length, ifVersion }, this, { signal });
  }

  /** Asks for the file. */
  open(): Promise<Reader> {
    this.#pool.submit(this.#request);
    return this.#opened.promise;
  }

  get failure(): Promise<FerryError> {
    return (this.#failing ??= Promise.withResolvers()).promise;
  }

  next(): Promise<Uint8Array | null> | Uint8Array | null {
    throwIfAborted(this.#options.signal);
    const arrived = this.#arrived;
    this.#arrived = undefined;
    if (arrived) return arrived;
    this.#letGo();
    if (this.#failure) throw this.#failure;
    if (this.#isDone) return null;
    this.#asking = Promise.withResolvers();
    return this.#asking.promise;
  }

  read(into: Uint8Array): Promise<number | null> | number | null {
    const bytes = this.next();
    if (bytes instanceof Promise) return bytes.then((bytes) => bytes && this.#copy(bytes, into));
    return bytes && this.#copy(bytes, into);
  }

  close(): void {
    this.#arrived = undefined;
    this.#letGo();
    if (!this.#request.settled) this.#pool.giveUp(this.#request);
  }

  ready(value: unknown): void {
    if (this.#isReady) throw violation("the server sent the size of the file twice");
    this.#isReady = true;
    this.metadata = { kind: "file", ...MESSAGES.readyToSend(value, "ready") };
    const { offset = 0, length = Infinity, ifVersion = this.metadata.version } = this.#options;
    if (ifVersion !== this.metadata.version) {
      const changed = new FerryError("Changed", "the server sent another version than was asked for");
      return this.#pool.giveUp(this.#request, changed);
    }
    this.length = Math.min(length, this.metadata.size - offset);
    if (this.length < 0) throw violation("the server sent a file that ends before the part that was asked for");
    this.#opened.resolve(this);
  }

  data(bytes: Uint8Array): Promise<void> | void {
    if (!this.#isReady) throw violation("the server sent data before the size of the file");
    if (this.#hasEnd) throw violation("the server sent data after the end of the file");
    if (bytes.length > this.length - this.#received) throw violation("the server sent more than it had announced");
    if (bytes.length === 0) return;
    this.#received += bytes.length;
    if (this.#asking) this.#asking.resolve(bytes);
    else this.#arrived = bytes;
    this.#asking = undefined;
    return new Promise((resolve) => this.#release = resolve);
  }

  end(size: number): void {
    if (!this.#isReady || this.#hasEnd) throw violation("the server sent the end of nothing");
    if (size !== this.#received) throw new FerryError("Corrupt", `${this.#received} bytes arrived of ${size}`);
    this.#hasEnd = true;
  }

  done(): void {
    if (!this.#hasEnd || this.#received < this.length) {
      return this.failed(new FerryError("Corrupt", "the server sent only a part of it"));
    }
    this.#isDone = true;
    this.#asking?.resolve(null);
  }

  failed(error: FerryError): void {
    this.#failure = error;
    this.#failing?.resolve(error);
    this.#opened.reject(error);
    this.#asking?.reject(error);
    this.#asking = undefined;
  }

  #copy(bytes: Uint8Array, into: Uint8Array): number {
    const n = Math.min(bytes.length, into.length);
    into.set(n < bytes.length ? bytes.subarray(0, n) : bytes);
    if (n < bytes.length) this.#arrived = bytes.subarray(n);
    else this.#letGo();
    return n;
  }

  #letGo(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
