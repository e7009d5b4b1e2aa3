import type { Receipt } from "../core/metadata.ts";
import type { RemotePath } from "../core/remote_path.ts";
import { cannot, FerryError } from "../core/errors.ts";
import { throwIfAborted } from "../core/unless_aborted.ts";
import { MESSAGES } from "../protocol/codec.ts";
import type { RequestOf } from "../protocol/commands.ts";
import type { Fill, Upload, UploadOptions, UploadPart } from "../storage/storage.ts";
import type { ConnectionPool } from "./connection_pool.ts";
import type { MemoryBudget } from "./memory_budget.ts";
import { hasEnded, OutgoingBody, tooLittle, tooMuch } from "./outgoing_body.ts";
import { type AnswerHandler, PendingRequest } from "./pending_request.ts";

/** The request for an upload. */
function putRequest(path: RemotePath, options: UploadOptions): RequestOf<"put"> {
  const { size, mtimeMs, mode, overwrite, durable, offset, kept, inParts: shared } = options;
  return { command: "put", path, size, mtimeMs, mode, overwrite, durable, offset, kept, shared };
}

/** The receipt for what was sent. @throws {FerryError} When it is about something else, or less than was asked for. */
function receiptOf(value: unknown, path: RemotePath, { durable }: UploadOptions, size: number | undefined): Receipt {
  const receipt = value as Receipt;
  if (receipt.path !== path || size !== undefined && receipt.size !== size) {
    throw cannot("put", path, new FerryError("Corrupt", "the server's receipt is about something else"));
  }
  if (!durable || receipt.durable) return receipt;
  throw cannot("put", path, new FerryError("Unsupported", "the server has stored it, but did not sync it to its disk"));
}

/** A small file: collected, and sent with its request in one piece at `commit`, so that nothing is waited for. */
export class SmallUpload implements Upload, AnswerHandler {
  readonly #pool: ConnectionPool;
  readonly #budget: MemoryBudget;
  readonly #path: RemotePath;
  readonly #options: UploadOptions;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #receipt = Promise.withResolvers<Receipt>();
  #length = 0;
  #failure: FerryError | undefined;
  #isOver = false;

  /** @param size What was taken of the budget, which it gives back. */
  constructor(
    pool: ConnectionPool,
    budget: MemoryBudget,
    path: RemotePath,
    size: number,
    options: UploadOptions,
  ) {
    this.#pool = pool;
    this.#budget = budget;
    this.#path = path;
    this.#options = options;
    this.#bytes = budget.space(size);
  }

  write(bytes: Uint8Array): void {
    this.#check(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  fill(length: number, read: Fill): Promise<number | null> | number | null {
    this.#check(0);
    const left = this.#bytes.length - this.#length;
    // With no room left, room for the byte that would be too much.
    const space = left > 0
      ? this.#bytes.subarray(this.#length, this.#length + Math.min(length, left))
      : new Uint8Array(1);
    const n = read(space);
    return n instanceof Promise ? n.then((n) => this.#filled(n)) : this.#filled(n);
  }

  commit(): Promise<Receipt> {
    const piece = this.#bytes;
    if (this.#length < piece.length) this.#failure ??= tooLittle(this.#length, piece.length);
    if (this.#failure || this.#isOver) return Promise.reject(this.#failure ?? hasEnded());
    this.#isOver = true;
    this.#budget.send(piece.length);
    const options = { signal: this.#options.signal, piece };
    this.#pool.submit(new PendingRequest(putRequest(this.#path, this.#options), this, options));
    return this.#receipt.promise;
  }

  abort(): Promise<void> {
    if (!this.#isOver) this.#budget.give(this.#bytes.length, false);
    this.#isOver = true;
    return Promise.resolve();
  }

  done(value: unknown): void {
    this.#budget.give(this.#bytes.length, true);
    try {
      this.#receipt.resolve(receiptOf(value, this.#path, this.#options, this.#bytes.length));
    } catch (error) {
      this.#receipt.reject(error);
    }
  }

  failed(error: FerryError): void {
    this.#budget.give(this.#bytes.length, true);
    this.#receipt.reject(error);
  }

  #check(length: number): void {
    if (this.#isOver) throw hasEnded();
    this.#budget.use();
    throwIfAborted(this.#options.signal);
    if (length > this.#bytes.length - this.#length) this.#failure ??= tooMuch();
    if (this.#failure) throw this.#failure;
  }

  #filled(n: number | null): number | null {
    if (n !== null) this.#check(n);
    this.#length += n ?? 0;
    return n;
  }
}

/** A file that is sent while it is written. */
export class LargeUpload extends OutgoingBody implements Upload {
  openPart?: (offset: number) => Promise<UploadPart>;
  readonly #path: RemotePath;
  readonly #options: UploadOptions;

  private constructor(pool: ConnectionPool, path: RemotePath, options: UploadOptions) {
    const { size, offset = 0, inParts = false, signal } = options;
    const announced = size === undefined || inParts ? undefined : size - offset;
    super(pool, putRequest(path, options), announced, signal, inParts);
    this.#path = path;
    this.#options = options;
  }

  /** Begins one: resolves when it is its turn, and with `inParts` when the server has given it a name. */
  static async begin(pool: ConnectionPool, path: RemotePath, options: UploadOptions): Promise<LargeUpload> {
    const upload = new LargeUpload(pool, path, options);
    const ready = await upload.open();
    if (!options.inParts) return upload;
    const { upload: name } = MESSAGES.readyToReceive(ready, "ready");
    upload.openPart = async (offset) => {
      const part = new RemotePart(pool, { command: "part", upload: name, offset }, undefined, options.signal);
      await part.open();
      return part;
    };
    return upload;
  }

  async commit(): Promise<Receipt> {
    const { size, offset = 0, inParts } = this.#options;
    const value = await this.complete();
    const whole = size ?? (inParts ? undefined : offset + this.size);
    return receiptOf(value, this.#path, this.#options, whole);
  }

  abort(): Promise<void> {
    return this.giveUp();
  }
}

/** A part of a file. */
class RemotePart extends OutgoingBody implements UploadPart {
  async finish(): Promise<void> {
    const { size } = await this.complete() as { size: number };
    if (size === this.size) return;
    throw new FerryError("Corrupt", "the server's receipt is about something else");
  }

  close(): void {
    // It cannot be rejected, and the upload is over in any case.
    void this.giveUp();
  }
}
