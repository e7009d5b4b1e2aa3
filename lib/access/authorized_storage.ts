import type { BlockSums } from "../core/block_sums.ts";
import { FerryError } from "../core/errors.ts";
import type { Digest, Entry, FileMetadata } from "../core/metadata.ts";
import type { RemotePath } from "../core/remote_path.ts";
import type { CommandName, Right } from "../protocol/commands.ts";
import type {
  BlockOptions,
  DepthOptions,
  MkdirOptions,
  OperationOptions,
  ReadOptions,
  RecursiveOptions,
  Storage,
  Upload,
  UploadOptions,
} from "../storage/storage.ts";
import { AuthorizedPart, AuthorizedReader, AuthorizedUpload, explained, requireSize } from "./authorized_transfer.ts";
import type { Limits } from "./limits.ts";
import { Operation, type OperationRecord, type Subject } from "./operation.ts";
import { authorize } from "./policy.ts";

/** An upload that other sessions of its owner may add parts to. */
export interface SharedUpload {
  readonly upload: Upload;
  readonly owner: string;
}

/** What one session may do and use. */
export interface Authority {
  readonly rights: readonly Right[];
  /** Whose uploads the session's are; see `UploadOptions.owner`. */
  readonly owner: string;
  readonly limits: Pick<Limits, "fileBytes" | "keepFreeBytes" | "depth">;
  /** Whether every upload is synced to the disk. */
  readonly durable: boolean;
  /** Uploads that several sessions work on, by their names; one map for all sessions of a place. */
  readonly shared: Map<string, SharedUpload>;
  /** Told once of each operation, when it has ended. Must not throw. */
  readonly onOperation: (record: OperationRecord) => void;
}

type Act<T> = (operation: Operation) => Promise<T>;

/** Whether a session would replace a file, and has no right to. */
function mayNotReplace({ overwrite }: UploadOptions, rights: readonly Right[]): boolean {
  return overwrite !== false && !rights.includes("overwrite");
}

/**
 * A place as one session may use it: every operation needs its right and keeps to the limits, and is recorded when it
 * has ended. Whatever takes requests from outside asks one of these, so that no rule is forgotten. It does not sweep:
 * that is for whoever owns the place.
 */
export class AuthorizedStorage implements Storage {
  readonly offer?: NonNullable<Storage["offer"]>;
  readonly setMetadata?: NonNullable<Storage["setMetadata"]>;
  readonly #place: Storage;
  readonly #authority: Authority;

  constructor(place: Storage, authority: Authority) {
    this.#place = place;
    this.#authority = authority;
    const offer = place.offer?.bind(place);
    if (offer) {
      this.offer = (path, options = {}) =>
        this.#run("offer", { path, signal: options.signal }, async () => {
          requireSize(options.size ?? 0, authority.limits.fileBytes);
          try {
            return await offer(path, this.#limited(options));
          } catch (error) {
            throw explained(error, mayNotReplace(options, authority.rights));
          }
        });
    }
    const setMetadata = place.setMetadata?.bind(place);
    if (setMetadata) {
      this.setMetadata = (path, change, options = {}) =>
        this.#run("set", { path, signal: options.signal }, () => setMetadata(path, change, options));
    }
  }

  stat(path: RemotePath, options: OperationOptions = {}): Promise<FileMetadata> {
    return this.#run("stat", { path, signal: options.signal }, () => this.#place.stat(path, options));
  }

  /** The operation ends with the listing. */
  async *list(path: RemotePath, options: RecursiveOptions = {}): AsyncGenerator<Entry> {
    const operation = this.#begin("dir", { path, signal: options.signal });
    try {
      this.require("dir");
      yield* this.#place.list(path, options);
      operation.end();
    } catch (error) {
      operation.end(error);
      throw error;
    } finally {
      operation.giveUp();
    }
  }

  /** The operation ends when the reader is closed. */
  read(path: RemotePath, options: ReadOptions = {}): Promise<AuthorizedReader> {
    return this.#open("get", { path, signal: options.signal }, async (operation) => {
      return new AuthorizedReader(await this.#place.read(path, options), operation);
    });
  }

  /**
   * The operation ends when the upload is committed or aborted.
   *
   * @param share The name under which other sessions of its owner may add parts to it.
   */
  upload(path: RemotePath, options: UploadOptions = {}, share?: string): Promise<AuthorizedUpload> {
    const { limits: { fileBytes: maxSize }, owner, shared, rights } = this.#authority;
    const { offset = 0, inParts, signal } = options;
    return this.#open("put", { path, signal }, async (operation) => {
      requireSize(Math.max(options.size ?? 0, offset), maxSize);
      const terms = { operation, offset, maxSize, mayNotReplace: mayNotReplace(options, rights) };
      try {
        const upload = await this.#place.upload(path, this.#limited(options));
        if (share !== undefined) shared.set(share, { upload, owner });
        const onEnd = share === undefined ? undefined : () => void shared.delete(share);
        const takesParts = inParts && upload.openPart;
        const openPart = takesParts ? (at: number) => this.#openPart(upload, at, { signal }) : undefined;
        return new AuthorizedUpload(upload, terms, openPart, onEnd);
      } catch (error) {
        throw explained(error, terms.mayNotReplace);
      }
    });
  }

  /**
   * Opens a part of an upload that this or another session of the same owner has begun. The operation ends when the part
   * is finished or closed.
   *
   * @param share The name that `upload` was given.
   * @throws {FerryError} `NotFound` when there is no such upload, or not any more; `Unsupported` where a file is written
   * from one end to the other.
   */
  openPart(share: string, offset: number, options: OperationOptions = {}): Promise<AuthorizedPart> {
    const { upload, owner } = this.#authority.shared.get(share) ?? {};
    return this.#openPart(owner === this.#authority.owner ? upload : undefined, offset, options);
  }

  mkdir(path: RemotePath, options: MkdirOptions = {}): Promise<void> {
    const { depth: maxDepth } = this.#authority.limits;
    return this.#run(
      "mkdir",
      { path, signal: options.signal },
      () => this.#place.mkdir(path, { ...options, maxDepth }),
    );
  }

  rename(path: RemotePath, to: RemotePath, options: DepthOptions = {}): Promise<void> {
    const { depth: maxDepth } = this.#authority.limits;
    const subject = { path, to, signal: options.signal };
    return this.#run("rename", subject, () => this.#place.rename(path, to, { ...options, maxDepth }));
  }

  remove(path: RemotePath, options: RecursiveOptions = {}): Promise<void> {
    return this.#run("remove", { path, signal: options.signal }, () => this.#place.remove(path, options));
  }

  blocks(path: RemotePath, options: BlockOptions): Promise<{ sums: BlockSums; metadata: FileMetadata }> {
    return this.#run("blocks", { path, signal: options.signal }, () => this.#place.blocks(path, options));
  }

  digest(
    path: RemotePath,
    options: OperationOptions = {},
  ): Promise<Digest> {
    return this.#run("sum", { path, signal: options.signal }, () => this.#place.digest(path, options));
  }

  /** @throws {FerryError} `Refused` when the session may not use the command. */
  require(command: CommandName): void {
    authorize(command, this.#authority.rights);
  }

  #begin(command: CommandName, { path, to, signal }: Subject): Operation {
    // The root has no path in a request.
    return new Operation(command, { path: path || undefined, to, signal }, this.#authority.onOperation);
  }

  /** Begins an operation that goes on when `act` is done, unless that fails. */
  async #open<T>(command: CommandName, subject: Subject, act: Act<T>): Promise<T> {
    const operation = this.#begin(command, subject);
    try {
      this.require(command);
      return await act(operation);
    } catch (error) {
      operation.end(error);
      throw error;
    }
  }

  /** Does an operation that is over when `act` is done. */
  #run<T>(command: CommandName, subject: Subject, act: () => Promise<T>): Promise<T> {
    return this.#open(command, subject, async (operation) => {
      const result = await act();
      operation.end();
      return result;
    });
  }

  #openPart(upload: Upload | undefined, offset: number, { signal }: OperationOptions): Promise<AuthorizedPart> {
    const { fileBytes } = this.#authority.limits;
    return this.#open("part", { signal }, async (operation) => {
      if (!upload) throw new FerryError("NotFound", "the upload has ended");
      requireSize(offset, fileBytes);
      const part = await upload.openPart?.(offset);
      if (!part) throw new FerryError("Unsupported", "files are not taken in parts here");
      return new AuthorizedPart(part, operation, offset, fileBytes);
    });
  }

  /** What the place is told of an upload: the session's rules, whatever its caller says. */
  #limited(options: UploadOptions): UploadOptions {
    const { rights, owner, limits: { keepFreeBytes: keepFree, depth: maxDepth }, durable } = this.#authority;
    return {
      ...options,
      overwrite: options.overwrite !== false && rights.includes("overwrite"),
      owner,
      wholeBlocks: !rights.includes("read"),
      keepFree,
      maxDepth,
      durable: options.durable || durable,
    };
  }
}
