import { FerryError } from "../core/errors.ts";
import type { Entry } from "../core/metadata.ts";
import type { RemotePath } from "../core/remote_path.ts";
import type { CommandName, Right } from "../protocol/commands.ts";
import type {
  OperationOptions,
  ReadOptions,
  RecursiveOptions,
  Storage,
  Upload,
  UploadOptions,
} from "../storage/storage.ts";
import { AuthorizedPart, AuthorizedReader, AuthorizedUpload, requireSize } from "./authorized_transfer.ts";
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

/**
 * A place as one session may use it: every operation needs its right and keeps to the limits, and is recorded when it
 * has ended. Whatever takes requests from outside asks one of these, so that no rule is forgotten. It does not sweep:
 * that is for whoever owns the place.
 */
export class AuthorizedStorage implements Storage {
  readonly #place: Storage;
  readonly #authority: Authority;
  /** What was begun last. */
  #latest: Operation | undefined;
  readonly offer?: NonNullable<Storage["offer"]>;
  readonly setMetadata?: NonNullable<Storage["setMetadata"]>;
  readonly space?: NonNullable<Storage["space"]>;

  constructor(place: Storage, authority: Authority) {
    this.#place = place;
    this.#authority = authority;
    const offer = place.offer?.bind(place);
    if (offer) {
      this.offer = (path, options = {}) =>
        this.#run("offer", { path, signal: options.signal }, (op) => offer(path, this.#ruled(options, op)));
    }
    const setMetadata = place.setMetadata?.bind(place);
    if (setMetadata) {
      this.setMetadata = (path, change, options) =>
        this.#run("set", { path, ...change, signal: options?.signal }, () => setMetadata(path, change, options));
    }
    const space = place.space?.bind(place);
    if (space) {
      this.space = (options) =>
        this.#run("df", { signal: options?.signal }, async () => {
          const { free, total } = await space(options);
          return { free: Math.max(0, free - authority.limits.keepFreeBytes), total };
        });
    }
  }

  /** The operation under way; of several the one that was begun last. */
  get current(): Operation | undefined {
    return this.#latest?.subject && this.#latest;
  }

  readonly stat: Storage["stat"] = (path, options) =>
    this.#run("stat", { path, signal: options?.signal }, () => this.#place.stat(path, options));

  readonly blocks: Storage["blocks"] = (path, options) =>
    this.#run("blocks", { path, signal: options.signal }, () => this.#place.blocks(path, options));

  readonly digest: Storage["digest"] = (path, options) =>
    this.#run("sum", { path, signal: options?.signal }, () => this.#place.digest(path, options));

  readonly mkdir: Storage["mkdir"] = (path, options) =>
    this.#run(
      "mkdir",
      { path, mode: options?.mode, signal: options?.signal },
      () => this.#place.mkdir(path, this.#withDepth(options)),
    );

  readonly rename: Storage["rename"] = (path, to, options) =>
    this.#run(
      "rename",
      { path, to, signal: options?.signal },
      () => this.#place.rename(path, to, this.#withDepth(options)),
    );

  readonly remove: Storage["remove"] = (path, options) =>
    this.#run("remove", { path, signal: options?.signal }, () => this.#place.remove(path, options));

  /** The operation ends with the listing. */
  async *list(path: RemotePath, options: RecursiveOptions = {}): AsyncGenerator<Entry> {
    const operation = this.#begin("dir", { path, signal: options.signal });
    try {
      this.require("dir");
      yield* this.#place.list(path, options);
      operation.end();
    } catch (error) {
      throw operation.fail(error);
    } finally {
      operation.giveUp();
    }
  }

  /** The operation ends when the reader is closed. */
  read(path: RemotePath, options: ReadOptions = {}): Promise<AuthorizedReader> {
    return this.#open("get", { path, signal: options.signal }, async (operation) => {
      const reader = await this.#place.read(path, options);
      operation.total = reader.length;
      return new AuthorizedReader(reader, operation);
    });
  }

  /**
   * The operation ends when the upload is committed or aborted. Other sessions of its owner may add parts to it under the
   * name `share`.
   */
  upload(path: RemotePath, options: UploadOptions = {}, share?: string): Promise<AuthorizedUpload> {
    const { limits, owner, shared } = this.#authority;
    const { offset = 0, size, inParts, signal } = options;
    return this.#open("put", { path, signal }, async (operation) => {
      if (size !== undefined && !inParts) operation.total = Math.max(0, size - offset);
      const upload = await this.#place.upload(path, this.#ruled(options, operation));
      const authorized = new AuthorizedUpload(upload, operation, offset, limits.fileBytes);
      if (inParts && upload.openPart) authorized.openPart = (at) => this.#openPart(upload, at, { signal });
      if (share !== undefined) {
        shared.set(share, { upload, owner });
        authorized.onEnd = () => shared.delete(share);
      }
      return authorized;
    });
  }

  /**
   * Opens a part of an upload that was given the name `share`, by this or another session of the same owner. The operation
   * ends when the part is finished or closed.
   *
   * @throws {FerryError} `NotFound` when there is no such upload; `Unsupported` where a file is written
   * from one end to the other.
   */
  openPart(share: string, offset: number, options: OperationOptions = {}): Promise<AuthorizedPart> {
    const { upload, owner } = this.#authority.shared.get(share) ?? {};
    return this.#openPart(owner === this.#authority.owner ? upload : undefined, offset, options);
  }

  /** @throws {FerryError} `Refused` when the session may not use the command. */
  require(command: CommandName): void {
    authorize(command, this.#authority.rights);
  }

  #begin(command: CommandName, { path, to, mtimeMs, mode, signal }: Subject): Operation {
    // The root has no path in a request.
    const subject = { path: path || undefined, to, mtimeMs, mode, signal };
    return this.#latest = new Operation(command, subject, this.#authority.onOperation);
  }

  /** Begins an operation that goes on when `act` is done, unless that fails. */
  async #open<T>(command: CommandName, subject: Subject, act: (operation: Operation) => Promise<T>): Promise<T> {
    const operation = this.#begin(command, subject);
    try {
      this.require(command);
      return await act(operation);
    } catch (error) {
      throw operation.fail(error);
    }
  }

  /** Does an operation that is over when `act` is done. */
  #run<T>(command: CommandName, subject: Subject, act: (operation: Operation) => Promise<T>): Promise<T> {
    return this.#open(command, subject, async (operation) => {
      const result = await act(operation);
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

  #withDepth<Options extends OperationOptions>(options?: Options) {
    return { ...options, maxDepth: this.#authority.limits.depth };
  }

  /** What the place is told of an upload: the session's rules, whatever its caller says. */
  #ruled(options: UploadOptions, operation: Operation): UploadOptions {
    const { rights, owner, limits: { fileBytes, keepFreeBytes: keepFree, depth: maxDepth }, durable } = this.#authority;
    requireSize(Math.max(options.size ?? 0, options.offset ?? 0), fileBytes);
    const overwrite = options.overwrite !== false && rights.includes("overwrite");
    operation.mayNotReplace = options.overwrite !== false && !overwrite;
    const wholeBlocks = !rights.includes("read");
    return { ...options, overwrite, owner, wholeBlocks, keepFree, maxDepth, durable: options.durable || durable };
  }
}
