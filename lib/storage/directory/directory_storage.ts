import type { Digest, Entry, FileMetadata } from "../../core/metadata.ts";
import { Buffer } from "node:buffer";
import { join, SEPARATOR } from "@std/path";
import type { BlockSums } from "../../core/block_sums.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { digestOf, sumBlocks } from "./sum_blocks.ts";
import { DirectoryReader } from "./directory_reader.ts";
import { DirectoryUpload, offerUpload, type UploadTarget } from "./directory_upload.ts";
import { listTree } from "./directory_list.ts";
import { metadata, PERMISSION_BITS } from "./system_metadata.ts";
import { setMetadata } from "./set_metadata.ts";
import { KeptFiles } from "./kept_files.ts";
import { Locator } from "./locator.ts";
import { again, isInPlace, isSameFile, lstatOrNothing } from "./lookup.ts";
import { Measure } from "./measure.ts";
import { removeWithLeftovers } from "./leftovers.ts";
import { MAX_SYSTEM_PATH_BYTES, type RemotePath, ROOT } from "../../core/remote_path.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { Removal } from "./removal.ts";
import { Root } from "./root.ts";
import { sweep } from "./sweep.ts";
import type {
  BlockOptions,
  Kept,
  ListOptions,
  MetadataChange,
  MkdirOptions,
  OfferOptions,
  OperationOptions,
  Reader,
  ReadOptions,
  RemoveOptions,
  RenameOptions,
  Storage,
  SweepOptions,
  Upload,
  UploadOptions,
} from "../storage.ts";
import { added, moved } from "./watch.ts";

/** How often a directory is measured anew in which something was changed meanwhile, before it is moved. */
const MAX_MEASURES = 3;

/** Runs file operations, unless they were given up before; what they throw becomes a `FerryError`. */
function guarded<T>(signal: AbortSignal | undefined, operation: () => T): T {
  try {
    throwIfAborted(signal);
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
  readonly #locator: Locator;
  readonly #kept = new KeptFiles();

  private constructor(root: string) {
    this.root = root;
    this.#root = new Root(root);
    this.#locator = new Locator(this.#root);
  }

  /**
   * Opens a directory.
   *
   * @param root The directory to serve; it must exist.
   * @throws {FerryError} `NotFound`, `NotADirectory`, `Refused`.
   */
  static open(root: string): DirectoryStorage {
    return guarded(undefined, () => {
      const real = Deno.realPathSync(root);
      if (!Deno.statSync(real).isDirectory) throw new FerryError("NotADirectory", "it is not a directory");
      return new DirectoryStorage(real);
    });
  }

  async stat(path: RemotePath, { signal }: OperationOptions = {}): Promise<FileMetadata> {
    return guarded(signal, () =>
      again(() => {
        const found = this.#locator.find(path);
        return isInPlace(found) ? metadata(found.info) : undefined;
      }));
  }

  async *list(path: RemotePath, { recursive = false, signal }: ListOptions = {}): AsyncIterable<Entry> {
    const directory = guarded(signal, () => {
      const { directory, name, info } = this.#locator.find(path);
      if (!info.isDirectory) throw new FerryError("NotADirectory", "it is not a directory");
      return new PinnedDirectory(join(directory, name), info);
    });
    const followLink = (link: string) => this.#locator.followLink(link)?.info;
    yield* listTree({ directory, path, recursive, followLink, signal });
  }

  async read(path: RemotePath, options: ReadOptions = {}): Promise<Reader> {
    const reader = guarded(options.signal, () => again(() => this.#open(path, options)));
    try {
      await reader.settle();
    } catch (error) {
      reader.close();
      throw toFerryError(error);
    }
    return reader;
  }

  async offer(path: RemotePath, options: OfferOptions = {}): Promise<Kept> {
    return await offerUpload(guarded(options.signal, () => this.#uploadTarget(path, options)), options);
  }

  async upload(path: RemotePath, options: UploadOptions = {}): Promise<Upload> {
    return guarded(
      options.signal,
      () => new DirectoryUpload(this.#uploadTarget(path, options), options, this.#kept),
    );
  }

  async mkdir(path: RemotePath, { parents = false, mode, maxDepth, signal }: MkdirOptions = {}): Promise<void> {
    guarded(signal, () => {
      const { directory, names } = parents ? this.#locator.missingIn(path) : this.#locator.missing(path);
      if (names.length > 0) this.#refuseDeeper(this.#root.depthOf(directory) + names.length, maxDepth);
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
    guarded(signal, () => again(() => setMetadata(this.#locator.find(path), change)));
  }

  async rename(path: RemotePath, to: RemotePath, { maxDepth, signal }: RenameOptions = {}): Promise<void> {
    let measure: Measure | undefined;
    try {
      throwIfAborted(signal);
      for (let tries = 0; tries <= MAX_MEASURES; tries++) {
        const unmeasured = this.#rename(path, to, maxDepth, measure);
        if (!unmeasured) return;
        measure?.[Symbol.dispose]();
        measure = undefined;
        measure = await Measure.of(unmeasured, signal);
      }
      throw new FerryError("Busy", "what is in it changes all the time; try again later");
    } catch (error) {
      throw toFerryError(error);
    } finally {
      measure?.[Symbol.dispose]();
    }
  }

  async remove(path: RemotePath, options: RemoveOptions = {}): Promise<void> {
    try {
      throwIfAborted(options.signal);
      await this.#remove(path, options);
    } catch (error) {
      throw toFerryError(error);
    }
  }

  async blocks(path: RemotePath, options: BlockOptions): Promise<{ sums: BlockSums; metadata: FileMetadata }> {
    const reader = await this.read(path, { length: options.length, signal: options.signal });
    try {
      const sums = await sumBlocks((chunk) => reader.read(chunk), { ...options, length: reader.length });
      return { sums, metadata: reader.metadata };
    } catch (error) {
      throw toFerryError(error);
    } finally {
      reader.close();
    }
  }

  async sweep(path: RemotePath, options: SweepOptions = {}): Promise<void> {
    const { directory, name, info } = guarded(options.signal, () => this.#locator.find(path));
    if (!info.isDirectory) return;
    try {
      await sweep(this.root, join(directory, name), options);
    } catch (error) {
      throw toFerryError(error);
    }
  }

  async digest(
    path: RemotePath,
    options: OperationOptions = {},
  ): Promise<Digest> {
    const reader = await this.read(path, options);
    try {
      const { size, version } = reader.metadata;
      return { sha256: await digestOf(reader), size, version };
    } catch (error) {
      throw toFerryError(error);
    } finally {
      reader.close();
    }
  }

  /** Opens a file for reading; gives undefined when it was replaced between the looks at it. */
  #open(path: RemotePath, options: ReadOptions): DirectoryReader | undefined {
    const found = this.#locator.find(path);
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
  #uploadTarget(path: RemotePath, { maxDepth }: UploadOptions): UploadTarget {
    const { directory, name, info } = this.#locator.locateToAdd(path);
    if (info?.isDirectory || path === ROOT) throw new FerryError("IsADirectory", "it is a directory");
    this.#refuseDeeper(this.#root.depthOf(join(directory, name)), maxDepth);
    if (info?.isSymlink) throw new FerryError("AlreadyExists", "it exists already");
    return { directory, name, path, replaced: info };
  }

  /**
   * Renames in one synchronous step, or gives the directory that has to be measured before, since it gets deeper or its
   * path longer and nothing in it may come to lie too deep.
   */
  #rename(path: RemotePath, to: RemotePath, maxDepth: number | undefined, measure: Measure | undefined) {
    if (path === ROOT || to === ROOT) throw new FerryError("Refused", "it is the served directory itself");
    const source = this.#locator.entry(path);
    const target = this.#locator.parentToAdd(to);
    const from = join(source.directory, source.name);
    const destination = join(target.directory, target.name);
    // Looked at without following links, so that not even a link that does not exist for clients is lost.
    if (lstatOrNothing(destination)) throw new FerryError("AlreadyExists", "the new name exists already");
    if (destination.startsWith(from + SEPARATOR)) {
      throw new FerryError("BadRequest", "a directory cannot be moved into itself");
    }
    const depth = this.#root.depthOf(destination);
    this.#refuseDeeper(depth, maxDepth);
    const bytes = Buffer.byteLength(destination);
    const sinks = depth > this.#root.depthOf(from) || bytes > Buffer.byteLength(from);
    if (source.info.isDirectory && sinks) {
      if (measure?.directory.path !== from || !measure.holds) return new PinnedDirectory(from, source.info);
      measure.directory.check();
      this.#refuseDeeper(depth + measure.depth, maxDepth, "what is in it would be");
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
  #remove(path: RemotePath, { recursive, signal }: RemoveOptions): Promise<void> | void {
    if (path === ROOT) throw new FerryError("Refused", "it is the served directory itself");
    const found = this.#locator.entry(path);
    const { directory, name, info } = found;
    const entry = join(directory, name);
    if (info.isDirectory && recursive) return new Removal(this.root, entry, info).run(signal);
    try {
      Deno.removeSync(entry);
    } catch (error) {
      if (toFerryError(error).code !== "NotEmpty") throw error;
      return removeWithLeftovers(this.root, entry, info, signal);
    }
    moved(entry);
  }

  /** @throws {FerryError} `InvalidPath` for what would be deeper than may be made. */
  #refuseDeeper(depth: number, maxDepth = Infinity, what = "it is"): void {
    if (depth <= maxDepth) return;
    const limit = `more than ${maxDepth} directories deep, which is this server's limit`;
    throw new FerryError("InvalidPath", `${what} ${limit}`);
  }
}
