import { Buffer } from "node:buffer";
import { join, SEPARATOR } from "@std/path";
import type { BlockSums } from "../../core/block_sums.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import type { Digest, Entry, FileMetadata, Space } from "../../core/metadata.ts";
import { MAX_SYSTEM_PATH_BYTES, type RemotePath, ROOT } from "../../core/remote_path.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
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
} from "../storage.ts";
import { diskSpace } from "./disk_space.ts";
import { listTree } from "./directory_list.ts";
import { DirectoryReader, type OpenFile } from "./directory_reader.ts";
import { DirectoryUpload, offerUpload, type UploadTarget } from "./directory_upload.ts";
import { KeptFiles } from "./kept_files.ts";
import { removeWithLeftovers, sweep } from "./leftovers.ts";
import { Locator } from "./locator.ts";
import { again, isInPlace, isSameFile, lstatOrNothing } from "./lookup.ts";
import { Measure } from "./measure.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { Removal } from "./removal.ts";
import { setMetadata } from "./set_metadata.ts";
import { digestOf, sumBlocks } from "./sum_blocks.ts";
import { metadata, PERMISSION_BITS } from "./system_metadata.ts";
import { added, moved } from "./watch.ts";

/** How often a directory is measured anew in which something was changed meanwhile, before it is moved. */
const MAX_MEASURES = 3;

/** Runs file operations, unless they were given up before; what they throw becomes a `FerryError`. */
async function guarded<T>(signal: AbortSignal | undefined, operation: () => Promise<T> | T): Promise<T> {
  try {
    throwIfAborted(signal);
    const result = operation();
    return result instanceof Promise ? await result : result;
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
  readonly #locator: Locator;
  readonly #kept = new KeptFiles();

  private constructor(root: string) {
    this.root = root;
    this.#locator = new Locator(root);
  }

  /**
   * Opens a directory.
   *
   * @param root The directory to serve; it must exist.
   * @throws {FerryError} `NotFound`, `NotADirectory`, `Refused`.
   */
  static open(root: string): DirectoryStorage {
    try {
      const real = Deno.realPathSync(root);
      if (!Deno.statSync(real).isDirectory) throw new FerryError("NotADirectory", "it is not a directory");
      return new DirectoryStorage(real);
    } catch (error) {
      throw toFerryError(error);
    }
  }

  stat(path: RemotePath, { signal }: OperationOptions = {}): Promise<FileMetadata> {
    return guarded(signal, () =>
      again(() => {
        const found = this.#locator.find(path);
        return isInPlace(found) ? metadata(found.info, found.isLink) : undefined;
      }));
  }

  async *list(path: RemotePath, { recursive = false, signal }: RecursiveOptions = {}): AsyncIterable<Entry> {
    try {
      throwIfAborted(signal);
      const { directory, name, info } = this.#locator.find(path);
      if (!info.isDirectory) throw new FerryError("NotADirectory", "it is not a directory");
      const followLink = (link: string) => this.#locator.followLink(link);
      const pinned = new PinnedDirectory(join(directory, name), info);
      yield* listTree({ directory: pinned, path: join(this.root, path), recursive, followLink, signal });
    } catch (error) {
      throw toFerryError(error);
    }
  }

  read(path: RemotePath, options: ReadOptions = {}): Promise<Reader> {
    return guarded(options.signal, () => DirectoryReader.open(again(() => this.#open(path)), options));
  }

  offer(path: RemotePath, options: OfferOptions = {}): Promise<Kept> {
    return guarded(options.signal, () => offerUpload(this.#uploadTarget(path, options), options));
  }

  upload(path: RemotePath, options: UploadOptions = {}): Promise<Upload> {
    return guarded(
      options.signal,
      () => new DirectoryUpload(this.#uploadTarget(path, options), options, this.#kept),
    );
  }

  mkdir(path: RemotePath, { parents = false, mode, maxDepth, signal }: MkdirOptions = {}): Promise<void> {
    return guarded(signal, () => {
      const { directory, names } = this.#locator.missing(path, parents);
      if (names.length > 0) refuseDeeper(this.#locator.depthOf(directory) + names.length, maxDepth);
      let place = directory;
      for (const [i, name] of names.entries()) {
        // Its owner has to put into it what belongs there.
        const own = mode !== undefined && i === names.length - 1 ? { mode: mode & PERMISSION_BITS | 0o700 } : {};
        Deno.mkdirSync(place = join(place, name), own);
        added(place);
      }
    });
  }

  async setMetadata(path: RemotePath, change: MetadataChange, { signal }: OperationOptions = {}): Promise<void> {
    await guarded(signal, () => again(() => setMetadata(this.#locator.find(path), change)));
  }

  rename(path: RemotePath, to: RemotePath, { maxDepth, signal }: DepthOptions = {}): Promise<void> {
    return guarded(signal, async () => {
      let unmeasured = this.#rename(path, to, maxDepth);
      for (let tries = 0; unmeasured; tries++) {
        if (tries === MAX_MEASURES) throw new FerryError("Busy", "what is in it changes all the time; try again later");
        using measure = new Measure(unmeasured);
        await measure.run(signal);
        unmeasured = this.#rename(path, to, maxDepth, measure);
      }
    });
  }

  remove(path: RemotePath, options: RecursiveOptions = {}): Promise<void> {
    return guarded(options.signal, () => this.#remove(path, options));
  }

  blocks(path: RemotePath, options: BlockOptions): Promise<{ sums: BlockSums; metadata: FileMetadata }> {
    const { length, signal } = options;
    return this.#reading(path, { length, signal }, async (reader) => {
      const sums = await sumBlocks((chunk) => reader.read(chunk), { ...options, length: reader.length });
      return { sums, metadata: reader.metadata };
    });
  }

  digest(path: RemotePath, options: OperationOptions = {}): Promise<Digest> {
    return this.#reading(path, options, async (reader) => {
      const { size, version } = reader.metadata;
      return { sha256: await digestOf(reader), size, version };
    });
  }

  space({ signal }: OperationOptions = {}): Promise<Space> {
    return guarded(signal, () => diskSpace(this.root));
  }

  sweep(path: RemotePath, options: RecursiveOptions = {}): Promise<void> {
    return guarded(options.signal, () => {
      const { directory, name, info } = this.#locator.find(path);
      return info.isDirectory ? sweep(this.root, join(directory, name), options) : undefined;
    });
  }

  /** Opens a file for reading; gives undefined when it was replaced between the looks at it. */
  #open(path: RemotePath): OpenFile | undefined {
    const found = this.#locator.find(path);
    if (!found.info.isFile) throw new FerryError("IsADirectory", "it is a directory");
    const place = join(found.directory, found.name);
    const file = Deno.openSync(place, { read: true });
    try {
      const info = file.statSync();
      if (isSameFile(info, found.info) && isInPlace(found)) return { file, path: place, info };
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    return undefined;
  }

  /** Where an upload goes. It replaces a link itself, and not what that leads to. */
  #uploadTarget(path: RemotePath, { maxDepth, overwrite = true }: OfferOptions): UploadTarget {
    const found = this.#locator.locateToAdd(path);
    const { info } = found;
    const { directory, name } = found.isLink ? this.#locator.parentToAdd(path) : found;
    if (info?.isDirectory || path === ROOT) throw new FerryError("IsADirectory", "it is a directory");
    refuseDeeper(this.#locator.depthOf(join(directory, name)), maxDepth);
    if (info && (info.isSymlink || !overwrite)) throw new FerryError("AlreadyExists", "it exists already");
    return { directory, name, info, path, behind: (link) => this.#locator.followLink(link)?.info };
  }

  /**
   * Renames in one synchronous step, or gives the directory that has to be measured before, since it gets deeper or its
   * path longer and nothing in it may come to lie too deep.
   */
  #rename(path: RemotePath, to: RemotePath, maxDepth: number | undefined, measure?: Measure) {
    if (path === ROOT || to === ROOT) throw new FerryError("Refused", "it is the served directory itself");
    const source = this.#locator.servedEntry(path);
    const target = this.#locator.parentToAdd(to);
    const from = join(source.directory, source.name);
    const destination = join(target.directory, target.name);
    // Looked at without following links, so that not even a link that does not exist for clients is lost.
    if (lstatOrNothing(destination)) throw new FerryError("AlreadyExists", "the new name exists already");
    if (destination.startsWith(from + SEPARATOR)) {
      throw new FerryError("BadRequest", "a directory cannot be moved into itself");
    }
    const depth = this.#locator.depthOf(destination);
    refuseDeeper(depth, maxDepth);
    const bytes = Buffer.byteLength(destination);
    const sinks = depth > this.#locator.depthOf(from) || bytes > Buffer.byteLength(from);
    if (source.info.isDirectory && sinks) {
      if (measure?.directory.path !== from || !measure.holds) return new PinnedDirectory(from, source.info);
      measure.directory.check();
      refuseDeeper(depth + measure.depth, maxDepth, "what is in it would be");
      if (bytes + measure.bytes > MAX_SYSTEM_PATH_BYTES) {
        throw new FerryError("InvalidPath", "the path of something in it would be too long to be opened");
      }
    }
    Deno.renameSync(from, destination);
    moved(from);
    if (source.info.isDirectory) this.#kept.moved(from, destination);
    added(destination);
    return undefined;
  }

  /** Removes what can be removed at once; the rest goes on in more steps, which stand where this one did. */
  #remove(path: RemotePath, { recursive, signal }: RecursiveOptions): Promise<void> | void {
    if (path === ROOT) throw new FerryError("Refused", "it is the served directory itself");
    const { directory, name, info } = this.#locator.entry(path);
    const entry = join(directory, name);
    if (info.isDirectory && recursive) return new Removal(this.root, entry).run(info, signal);
    try {
      Deno.removeSync(entry);
    } catch (error) {
      if (toFerryError(error).code !== "NotEmpty") throw error;
      return removeWithLeftovers(this.root, entry, info, signal);
    }
    moved(entry);
  }

  /** Reads from a file with `use`, and closes it. */
  async #reading<T>(path: RemotePath, options: ReadOptions, use: (reader: Reader) => Promise<T>): Promise<T> {
    const reader = await this.read(path, options);
    try {
      return await use(reader);
    } catch (error) {
      throw toFerryError(error);
    } finally {
      reader.close();
    }
  }
}

/** @throws {FerryError} `InvalidPath` for what would be deeper than may be made. */
function refuseDeeper(depth: number, maxDepth = Infinity, what = "it is"): void {
  if (depth <= maxDepth) return;
  const limit = `more than ${maxDepth} directories deep, which is this server's limit`;
  throw new FerryError("InvalidPath", `${what} ${limit}`);
}
