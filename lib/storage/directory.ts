import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, dirname, join, SEPARATOR } from "@std/path";
import { takeTurn } from "../net/turn.ts";
import type { BlockSums } from "../protocol/blocks.ts";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { sumBlocks } from "./blocks.ts";
import { DirectoryReader } from "./directory_reader.ts";
import { DirectoryUpload, offerUpload, type UploadTarget } from "./directory_upload.ts";
import { listTree } from "./directory_list.ts";
import { facts } from "./facts.ts";
import { Leftovers } from "./leftovers.ts";
import {
  again,
  type Found,
  isInPlace,
  isSameFile,
  type Location,
  lstatOrNothing,
  realPathOrNothing,
} from "./lookup.ts";
import { endMoment } from "./moment.ts";
import { partialName } from "./partial.ts";
import { type RemotePath, ROOT } from "./path.ts";
import { Root } from "./root.ts";
import { sweep } from "./sweep.ts";
import type {
  BlockOptions,
  Entry,
  FileFacts,
  Kept,
  Reader,
  ReadOptions,
  Storage,
  Upload,
  UploadOptions,
} from "./storage.ts";

const NOT_FOUND = "no such file or directory";

/** Bytes that are read at a time to compute a digest. */
const DIGEST_CHUNK_BYTES = 1024 * 1024;

/** Runs file operations; what they throw becomes a `FerryError`. */
function guarded<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw toFerryError(error);
  }
}

/**
 * A directory on disk, and nothing outside it. This class alone turns a `RemotePath` into a file: the real path of
 * the parent must be the root or inside it, the last component is looked at without following links, and an opened
 * file must be the one that was looked at. A link is followed only to a target inside the root; any other link does
 * not exist. See `docs/security.md` for what remains possible to someone who can write in the root directly.
 */
export class DirectoryStorage implements Storage {
  /** The real path of the directory. */
  readonly root: string;
  readonly #root: Root;
  readonly #leftovers = new Leftovers();

  private constructor(root: string) {
    this.root = root;
    this.#root = new Root(root);
  }

  /**
   * @param root The directory to serve; it must exist.
   * @throws {FerryError} `NotFound`, `NotADirectory`, `Refused`.
   */
  static open(root: string): DirectoryStorage {
    return guarded(() => {
      const real = Deno.realPathSync(root);
      if (!Deno.statSync(real).isDirectory) throw new FerryError("NotADirectory", "it is not a directory");
      return new DirectoryStorage(real);
    });
  }

  async stat(path: RemotePath): Promise<FileFacts> {
    return guarded(() =>
      again(() => {
        const found = this.#find(path);
        return isInPlace(found) ? facts(found.info) : undefined;
      })
    );
  }

  async *list(path: RemotePath, options: { recursive?: boolean | undefined } = {}): AsyncIterable<Entry> {
    const directory = guarded(() => {
      const { directory, name, info } = this.#find(path);
      if (!info.isDirectory) throw new FerryError("NotADirectory", "it is not a directory");
      return join(directory, name);
    });
    yield* listTree(directory, options.recursive ?? false, (link) => this.#followLink(link)?.info);
  }

  async read(path: RemotePath, options: ReadOptions = {}): Promise<Reader> {
    const reader = guarded(() => again(() => this.#open(path, options)));
    try {
      await reader.settle();
    } catch (error) {
      reader.close();
      throw toFerryError(error);
    }
    return reader;
  }

  async offer(path: RemotePath, options: UploadOptions & { signal?: AbortSignal | undefined } = {}): Promise<Kept> {
    return await offerUpload(guarded(() => this.#uploadTarget(path)), options);
  }

  async upload(path: RemotePath, options: UploadOptions = {}): Promise<Upload> {
    return guarded(() => new DirectoryUpload(this.#uploadTarget(path), options, this.#leftovers));
  }

  async mkdir(path: RemotePath, options: { parents?: boolean | undefined } = {}): Promise<void> {
    guarded(() => {
      if (!options.parents) return this.#mkdirOne(path, false);
      for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1)) {
        this.#mkdirOne(path.slice(0, end) as RemotePath, true);
      }
      this.#mkdirOne(path, true);
    });
  }

  async rename(path: RemotePath, to: RemotePath): Promise<void> {
    guarded(() => {
      if (path === ROOT || to === ROOT) throw new FerryError("Refused", "it is the served directory itself");
      const source = this.#locateEntry(path);
      if (!source) throw new FerryError("NotFound", NOT_FOUND);
      const target = this.#parent(to);
      const from = join(source.directory, source.name);
      const destination = join(target.directory, target.name);
      // Looked at without following links, so that not even a link that does not exist for clients is lost.
      if (lstatOrNothing(destination)) throw new FerryError("AlreadyExists", "the new name exists already");
      if (destination.startsWith(from + SEPARATOR)) {
        throw new FerryError("BadRequest", "a directory cannot be moved into itself");
      }
      Deno.renameSync(from, destination);
      endMoment();
    });
  }

  async remove(path: RemotePath, { recursive = false }: { recursive?: boolean | undefined } = {}): Promise<void> {
    const entry = guarded(() => {
      if (path === ROOT) throw new FerryError("Refused", "it is the served directory itself");
      const { directory, name } = this.#locateEntry(path) ?? {};
      if (directory === undefined || name === undefined) throw new FerryError("NotFound", NOT_FOUND);
      return join(directory, name);
    });
    try {
      // The asynchronous call never follows a link that is put in a directory's place while it works.
      if (recursive) await Deno.remove(entry, { recursive });
      else Deno.removeSync(entry);
    } catch (error) {
      throw toFerryError(error);
    } finally {
      endMoment();
    }
  }

  async blocks(path: RemotePath, options: BlockOptions): Promise<{ sums: BlockSums; facts: FileFacts }> {
    const reader = await this.read(path, { length: options.length });
    try {
      const sums = await sumBlocks((chunk) => reader.read(chunk), { ...options, length: reader.length });
      return { sums, facts: reader.facts };
    } catch (error) {
      throw toFerryError(error);
    } finally {
      reader.close();
    }
  }

  async sweep(
    path: RemotePath,
    options: { recursive?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { directory, name, info } = guarded(() => this.#find(path));
    if (!info.isDirectory) return;
    try {
      await sweep(join(directory, name), options);
    } catch (error) {
      throw toFerryError(error);
    }
  }

  /** How many bytes an interrupted upload of `path` has left; 0 when there is nothing to resume. */
  keptBytes(path: RemotePath): number {
    return guarded(() => {
      const { directory, name } = this.#locate(path);
      const partial = join(directory, partialName(name));
      // Most often there is none, and this is the cheap way to find out.
      const info = existsSync(partial) ? lstatOrNothing(partial) : undefined;
      return info?.isFile ? info.size : 0;
    });
  }

  async digest(path: RemotePath, signal?: AbortSignal): Promise<{ sha256: string; size: number; version: string }> {
    const reader = await this.read(path);
    try {
      const hash = createHash("sha256");
      const chunk = new Uint8Array(Math.min(DIGEST_CHUNK_BYTES, Math.max(1, reader.length)));
      for (;;) {
        const n = await reader.read(chunk);
        if (n === null) break;
        hash.update(chunk.subarray(0, n));
        await takeTurn();
        signal?.throwIfAborted();
      }
      return { sha256: hash.digest("hex"), size: reader.facts.size, version: reader.facts.version };
    } catch (error) {
      throw toFerryError(error);
    } finally {
      reader.close();
    }
  }

  /** Opens a file for reading; gives undefined when it was replaced between the looks at it. */
  #open(path: RemotePath, options: ReadOptions): DirectoryReader | undefined {
    const found = this.#find(path);
    if (!found.info.isFile) throw new FerryError("IsADirectory", "it is a directory");
    const place = join(found.directory, found.name);
    const file = Deno.openSync(place, { read: true });
    try {
      const opened = file.statSync();
      if (isSameFile(opened, found.info) && isInPlace(found)) return new DirectoryReader(file, place, opened, options);
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    return undefined;
  }

  /** Where an upload goes: through a link, beside what that leads to. */
  #uploadTarget(path: RemotePath): UploadTarget {
    const { directory, name, info } = this.#locate(path);
    if (info?.isDirectory || path === ROOT) throw new FerryError("IsADirectory", "it is a directory");
    return { directory, name, path, replaced: info };
  }

  #mkdirOne(path: RemotePath, mayExist: boolean): void {
    const { directory, name, info } = this.#locate(path);
    if (info && !(mayExist && info.isDirectory)) throw new FerryError("AlreadyExists", "it exists already");
    if (!info) Deno.mkdirSync(join(directory, name));
  }

  /** The real directory that holds the last component of `path`. */
  #parent(path: RemotePath): { directory: string; name: string } {
    const cut = path.lastIndexOf("/");
    const directory = path === ROOT ? undefined : this.#root.directory(path.slice(0, Math.max(0, cut)));
    // Whatever is wrong outside must look the same as nothing.
    if (directory === undefined) throw new FerryError("NotFound", NOT_FOUND);
    return { directory, name: path.slice(cut + 1) };
  }

  /**
   * What is at `path`, with a link to somewhere inside the root followed.
   *
   * @throws {FerryError} `NotFound` when the parent is not there; `Refused` for a link that leads outside or nowhere.
   */
  #locate(path: RemotePath): Location {
    if (path === ROOT) {
      // Where the root was there may be something else by now, or a link.
      const info = realPathOrNothing(this.root) === this.root ? lstatOrNothing(this.root) : undefined;
      return { directory: this.root, name: ".", info: info?.isDirectory ? info : undefined };
    }
    const { directory, name } = this.#parent(path);
    const info = lstatOrNothing(join(directory, name));
    if (!info?.isSymlink) {
      if (info && !info.isFile && !info.isDirectory) throw new FerryError("NotAFile", "it is not a regular file");
      return { directory, name, info };
    }
    const target = this.#followLink(join(directory, name));
    if (!target) throw new FerryError("Refused", "a link that does not lead to a file in here is in the way");
    return target;
  }

  /** Where a link leads, or undefined when that is outside the root, nowhere, or nothing that is served. */
  #followLink(link: string): Found | undefined {
    const real = realPathOrNothing(link);
    if (real === undefined || !this.#root.serves(real)) return undefined;
    const info = lstatOrNothing(real);
    if (!info?.isFile && !info?.isDirectory) return undefined;
    return real === this.root
      ? { directory: real, name: ".", info }
      : { directory: dirname(real), name: basename(real), info };
  }

  /** Like `#locate`, for something that must be there; a link that leads outside is not. */
  #find(path: RemotePath): Found {
    try {
      const { directory, name, info } = this.#locate(path);
      if (info) return { directory, name, info };
    } catch (error) {
      if (!(error instanceof FerryError && error.code === "Refused")) throw error;
    }
    throw new FerryError("NotFound", NOT_FOUND);
  }

  /** The entry itself, a link not followed; undefined for one that does not exist for clients. */
  #locateEntry(path: RemotePath): { directory: string; name: string } | undefined {
    const { directory, name } = this.#parent(path);
    const entry = join(directory, name);
    const info = lstatOrNothing(entry);
    if (!info || (info.isSymlink && !this.#followLink(entry))) return undefined;
    return { directory, name };
  }
}
