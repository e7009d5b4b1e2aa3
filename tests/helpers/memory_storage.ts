import { createHash } from "node:crypto";
import { sumBlocks } from "../../lib/storage/directory/sum_blocks.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { compareUtf8, listingKey } from "../../lib/core/listing_order.ts";
import type { Entry, FileMetadata, Receipt } from "../../lib/core/metadata.ts";
import type { RemotePath } from "../../lib/core/remote_path.ts";
import type {
  BlockOptions,
  MkdirOptions,
  Reader,
  ReadOptions,
  RecursiveOptions,
  Storage,
  Upload,
  UploadOptions,
} from "../../lib/storage/storage.ts";
import { concat } from "./frames.ts";

/** Something in a `MemoryStorage`. */
interface Held {
  readonly kind: "file" | "directory";
  readonly content: Uint8Array;
  readonly mtimeMs: number;
  readonly mode: number | undefined;
  readonly version: string;
}

/** How many bytes a reader gives at a time, at most; no divisor of a megabyte. */
const MOST_AT_ONCE = 333_333;

function hold(kind: Held["kind"], content: Uint8Array, options: UploadOptions): Held {
  const { mtimeMs = 0, mode } = options;
  return { kind, content, mtimeMs, mode, version: crypto.randomUUID() };
}

/** A place that has nothing but what every place must have. It answers late, as one far away does. */
export class MemoryStorage implements Storage {
  readonly held = new Map<string, Held>();

  /** Puts a file there. */
  set(path: string, content: Uint8Array, options: UploadOptions = {}): void {
    this.held.set(path, hold("file", content, options));
  }

  async stat(path: RemotePath): Promise<FileMetadata> {
    const { kind, content, mtimeMs, mode, version } = await this.#find(path);
    return { kind, size: content.length, mtimeMs, mode, version };
  }

  async *list(path: RemotePath, { recursive = false }: RecursiveOptions = {}): AsyncGenerator<Entry> {
    await this.#find(path);
    const prefix = path === "" ? "" : `${path}/`;
    const names = [...this.held.keys()].filter((each) => each !== path && each.startsWith(prefix));
    const entries = names.map((name): Entry => {
      const { kind, content, mtimeMs, mode } = this.held.get(name) ?? hold("file", new Uint8Array(), {});
      return { path: name.slice(prefix.length), kind, size: content.length, mtimeMs, mode };
    }).filter(({ path }) => recursive || !path.includes("/"));
    yield* entries.sort((a, b) => compareUtf8(listingKey(a), listingKey(b)));
  }

  async read(path: RemotePath, { offset = 0, length = Infinity, ifVersion }: ReadOptions = {}): Promise<Reader> {
    const metadata = await this.stat(path);
    const held = this.held.get(path);
    if (metadata.kind !== "file") throw new FerryError("IsADirectory", "it is a directory");
    if (ifVersion !== undefined && ifVersion !== metadata.version) throw new FerryError("Changed", "it has changed");
    const bytes = held?.content.subarray(offset, offset + length) ?? new Uint8Array();
    let at = 0;
    const read = async (into: Uint8Array) => {
      if (this.held.get(path) !== held) throw new FerryError("Changed", "it changed while it was read");
      const piece = bytes.subarray(at, at + Math.min(into.length, MOST_AT_ONCE));
      into.set(piece);
      at += piece.length;
      return piece.length > 0 ? piece.length : null;
    };
    return { metadata, length: bytes.length, read, close: () => {} };
  }

  async upload(path: RemotePath, options: UploadOptions = {}): Promise<Upload> {
    const { size, overwrite, durable = false } = options;
    await this.#find(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
    if (overwrite === false && this.held.has(path)) throw new FerryError("AlreadyExists", "it exists already");
    const pieces: Uint8Array[] = [];
    return {
      write: async (bytes) => void pieces.push(bytes.slice()),
      commit: async (): Promise<Receipt> => {
        const content = concat(...pieces);
        if (size !== undefined && size !== content.length) throw new FerryError("BadRequest", "that is not all of it");
        this.set(path, content, options);
        return { path, durable, ...await this.stat(path) };
      },
      abort: () => Promise.resolve(),
    };
  }

  async mkdir(path: RemotePath, { parents, mode }: MkdirOptions = {}): Promise<void> {
    const names = path.split("/");
    for (let i = 1; i <= names.length; i++) {
      const each = names.slice(0, i).join("/");
      const kind = this.held.get(each)?.kind;
      if (kind === "file" || kind && i === names.length && !parents) throw new FerryError("AlreadyExists", "taken");
      if (!kind && i < names.length && !parents) throw new FerryError("NotFound", "no such directory");
      if (!kind) this.held.set(each, hold("directory", new Uint8Array(), { mode }));
    }
  }

  async rename(path: RemotePath, to: RemotePath): Promise<void> {
    this.held.set(to, await this.#find(path));
    this.held.delete(path);
  }

  async remove(path: RemotePath): Promise<void> {
    await this.#find(path);
    this.held.delete(path);
  }

  async blocks(path: RemotePath, options: BlockOptions) {
    const reader = await this.read(path, options);
    const length = Math.min(options.length, reader.length);
    return { sums: await sumBlocks((into) => reader.read(into), { ...options, length }), metadata: reader.metadata };
  }

  async digest(path: RemotePath): Promise<{ sha256: string; size: number; version: string }> {
    const { content, version } = await this.#find(path);
    return { sha256: createHash("sha256").update(content).digest("hex"), size: content.length, version };
  }

  /** What is at a path, in a later turn of the event loop. */
  async #find(path: string): Promise<Held> {
    await new Promise((resolve) => setTimeout(resolve));
    const held = path === "" ? hold("directory", new Uint8Array(), {}) : this.held.get(path);
    if (!held) throw new FerryError("NotFound", "no such file or directory");
    return held;
  }
}
