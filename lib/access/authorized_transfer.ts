import { FerryError } from "../core/errors.ts";
import type { FileMetadata, Receipt } from "../core/metadata.ts";
import type { ByteSink, Reader, Upload, UploadPart } from "../storage/storage.ts";
import type { Operation } from "./operation.ts";

/** @throws {FerryError} `TooLarge` for a file that is larger than it may be. */
export function requireSize(size: number, maxSize: number): void {
  if (size > maxSize) throw new FerryError("TooLarge", `a file may have at most ${maxSize} bytes here`);
}

/** A reader whose operation ends when it is closed. */
export class AuthorizedReader implements Reader {
  readonly metadata: FileMetadata;
  readonly length: number;
  readonly #reader: Reader;
  readonly #operation: Operation;
  // Made once, so that a read costs no closure.
  readonly #count = (n: number | null) => {
    this.#operation.bytes += n ?? 0;
    return n;
  };
  readonly #fail = (error: unknown): never => {
    throw this.#operation.fail(error);
  };

  constructor(reader: Reader, operation: Operation) {
    this.metadata = reader.metadata;
    this.length = reader.length;
    this.#reader = reader;
    this.#operation = operation;
  }

  read(into: Uint8Array): Promise<number | null> | number | null {
    try {
      const n = this.#reader.read(into);
      return n instanceof Promise ? n.then(this.#count, this.#fail) : this.#count(n);
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** @param reason Why the caller stopped reading, if it failed. */
  close(reason?: unknown): void {
    this.#reader.close();
    if (reason === undefined && this.#operation.bytes >= this.length) this.#operation.end();
    else this.#operation.giveUp(reason);
  }
}

/** Takes bytes for an operation, as many as the file may have. */
class AuthorizedSink<Sink extends ByteSink> implements ByteSink {
  protected readonly sink: Sink;
  protected readonly operation: Operation;
  readonly #maxSize: number;
  #end: number;

  /** @param offset Where in the file it begins. */
  constructor(sink: Sink, operation: Operation, offset: number, maxSize: number) {
    this.sink = sink;
    this.operation = operation;
    this.#end = offset;
    this.#maxSize = maxSize;
  }

  write(bytes: Uint8Array): Promise<void> | void {
    this.#end += bytes.length;
    try {
      requireSize(this.#end, this.#maxSize);
    } catch (error) {
      throw this.operation.fail(error);
    }
    const writing = this.sink.write(bytes);
    this.operation.bytes += bytes.length;
    return writing;
  }
}

/** A part of an upload, whose operation ends when it is closed. */
export class AuthorizedPart extends AuthorizedSink<UploadPart> implements UploadPart {
  async finish(): Promise<void> {
    await this.sink.finish();
    this.operation.end();
  }

  /** @param reason Why it was not finished, if it was not. */
  close(reason?: unknown): void {
    this.sink.close();
    this.operation.giveUp(reason);
  }
}

/** An upload whose operation ends when it is committed or aborted. */
export class AuthorizedUpload extends AuthorizedSink<Upload> implements Upload {
  /** Present when parts are taken. */
  openPart?: NonNullable<Upload["openPart"]>;
  /** Called when it has ended, however. */
  onEnd?: () => void;

  async commit(): Promise<Receipt> {
    try {
      const receipt = await this.sink.commit();
      this.operation.end();
      return receipt;
    } catch (error) {
      throw this.operation.fail(error);
    } finally {
      this.onEnd?.();
    }
  }

  /** @param reason Why it is given up. */
  async abort(reason?: unknown): Promise<void> {
    this.onEnd?.();
    try {
      await this.sink.abort();
    } finally {
      this.operation.giveUp(reason);
    }
  }
}
