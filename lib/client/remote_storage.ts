import { FerryError } from "../core/errors.ts";
import type { Digest, Entry, FileMetadata, Space } from "../core/metadata.ts";
import { type RemotePath, ROOT } from "../core/remote_path.ts";
import { throwIfAborted } from "../core/unless_aborted.ts";
import { decodeBlocks } from "../protocol/block_fields.ts";
import { MAX_DATA_BYTES } from "../protocol/constants.ts";
import type {
  BlockOptions,
  DepthOptions,
  Kept,
  MetadataChange,
  MkdirOptions,
  OfferOptions,
  OperationOptions,
  Reader,
  ReadOptions,
  RecursiveOptions,
  Storage,
  Upload,
  UploadOptions,
} from "../storage/storage.ts";
import { ConnectionPool } from "./connection_pool.ts";
import { MemoryBudget } from "./memory_budget.ts";
import { remoteListing } from "./remote_listing.ts";
import { RemoteReader } from "./remote_reader.ts";
import { LargeUpload, SmallUpload } from "./remote_upload.ts";

/** A file up to this size is sent together with the request, in one piece. */
const MAX_SMALL_BYTES = MAX_DATA_BYTES;

/** How much of small files is kept while they are collected and sent, in bytes. */
const MAX_COLLECTED_BYTES = 16 * 1024 * 1024;

/** What no server does to its own directory. */
function refuseRoot(path: RemotePath, code: "IsADirectory" | "Refused", message: string): void {
  if (path === ROOT) throw new FerryError(code, message);
}

/** What an operation on files says about the served directory. */
function fileOnly(path: RemotePath): void {
  refuseRoot(path, "IsADirectory", "it is a directory");
}

/**
 * A server, seen from the client. Operations go out without waiting for the answers to earlier ones, and none waits for a
 * file, a listing or an upload that is still open.
 *
 * What an upload may use and whose it is (`owner`, `wholeBlocks` and the limits) is for the server to say; it is not
 * asked for. What is wrong with opening an upload shows at its `commit`.
 */
export class RemoteStorage implements Storage {
  readonly #pool: ConnectionPool;
  readonly #budget = new MemoryBudget(MAX_COLLECTED_BYTES);

  /** The files of the server that these connections lead to. */
  constructor(pool: ConnectionPool) {
    this.#pool = pool;
  }

  stat(path: RemotePath, { signal }: OperationOptions = {}): Promise<FileMetadata> {
    return this.#pool.ask({ command: "stat", path: path === ROOT ? undefined : path }, signal);
  }

  list(path: RemotePath, options: RecursiveOptions = {}): AsyncGenerator<Entry> {
    return remoteListing(this.#pool, path, options);
  }

  async read(path: RemotePath, options: ReadOptions = {}): Promise<Reader> {
    fileOnly(path);
    return await new RemoteReader(this.#pool, path, options).open();
  }

  async upload(path: RemotePath, options: UploadOptions = {}): Promise<Upload> {
    fileOnly(path);
    const { size, offset = 0, inParts, signal } = options;
    throwIfAborted(signal);
    if (size === undefined || size > MAX_SMALL_BYTES || offset > 0 || inParts) {
      return await LargeUpload.begin(this.#pool, path, options);
    }
    const waiting = this.#budget.take(size, signal);
    if (waiting) await waiting;
    return new SmallUpload(this.#pool, this.#budget, path, size, options);
  }

  async mkdir(path: RemotePath, { parents, mode, signal }: MkdirOptions = {}): Promise<void> {
    if (path === ROOT && parents) return;
    if (path === ROOT) throw new FerryError("AlreadyExists", "it exists already");
    await this.#pool.ask({ command: "mkdir", path, parents, mode }, signal);
  }

  async setMetadata(path: RemotePath, change: MetadataChange, { signal }: OperationOptions = {}): Promise<void> {
    refuseRoot(path, "Refused", "the served directory stays as it is");
    const { mtimeMs, mode } = change;
    await this.#pool.ask({ command: "set", path, mtimeMs, mode }, signal);
  }

  async rename(path: RemotePath, to: RemotePath, { signal }: DepthOptions = {}): Promise<void> {
    for (const each of [path, to]) refuseRoot(each, "Refused", "the served directory stays where it is");
    await this.#pool.ask({ command: "rename", path, to }, signal);
  }

  async remove(path: RemotePath, { recursive, signal }: RecursiveOptions = {}): Promise<void> {
    refuseRoot(path, "Refused", "the served directory stays");
    await this.#pool.ask({ command: "remove", path, recursive }, signal);
  }

  async blocks(path: RemotePath, { length, blockSize, signal }: BlockOptions): ReturnType<Storage["blocks"]> {
    fileOnly(path);
    const request = { command: "blocks", path, length, blockSize } as const;
    const { size, mtimeMs, version, ...fields } = await this.#pool.ask(request, signal);
    return { sums: decodeBlocks(fields), metadata: { kind: "file", size, mtimeMs, version } };
  }

  async digest(path: RemotePath, { signal }: OperationOptions = {}): Promise<Digest> {
    fileOnly(path);
    return await this.#pool.ask({ command: "sum", path }, signal);
  }

  async space({ signal }: OperationOptions = {}): Promise<Space> {
    return await this.#pool.ask({ command: "df" }, signal);
  }

  async offer(path: RemotePath, { size, overwrite, signal }: OfferOptions = {}): Promise<Kept> {
    fileOnly(path);
    const { kept, ...fields } = await this.#pool.ask({ command: "offer", path, size, overwrite }, signal);
    return { sums: decodeBlocks(fields), state: kept };
  }
}
