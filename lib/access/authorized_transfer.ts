import { FerryError } from "../core/errors.ts";
import type { FileMetadata, Receipt } from "../core/metadata.ts";
import type { Reader, Upload, UploadPart } from "../storage/storage.ts";
import type { Operation } from "./operation.ts";

/** @throws {FerryError} `TooLarge` for a file that is larger than it may be. */
export function requireSize(size: number, maxSize: number): void {
  if (size > maxSize) throw new FerryError("TooLarge", `a file may have at most ${maxSize} bytes here`);
}

/** The same for one that is being sent, whose operation is over then. */
function keepSize(operation: Operation, size: number, maxSize: number): void {
  try {
    requireSize(size, maxSize);
  } catch (error) {
    operation.end(error);
    throw error;
  }
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
    this.#operation.end(error);
    throw error;
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

  /** @param reason What went wrong for whoever reads, if anything. */
  close(reason?: unknown): void {
    this.#reader.close();
    if (reason === undefined && this.#operation.bytes >= this.length) this.#operation.end();
    else this.#operation.giveUp(reason);
  }
}

/** An upload's part that is no larger than the file may be, and whose operation ends when it is closed. */
export class AuthorizedPart implements UploadPart {
  readonly #part: UploadPart;
  readonly #operation: Operation;
  readonly #maxSize: number;
  #end: number;

  /**
   * @param offset Where in the file it begins.
   * @param maxSize The size that the file may have, in bytes.
   */
  constructor(part: UploadPart, operation: Operation, offset: number, maxSize: number) {
    this.#part = part;
    this.#operation = operation;
    this.#end = offset;
    this.#maxSize = maxSize;
  }

  write(bytes: Uint8Array): Promise<void> | void {
    this.#end += bytes.length;
    keepSize(this.#operation, this.#end, this.#maxSize);
    const writing = this.#part.write(bytes);
    this.#operation.bytes += bytes.length;
    return writing;
  }

  async finish(): Promise<void> {
    await this.#part.finish();
    this.#operation.end();
  }

  /** @param reason Why it was not finished, if it was not. */
  close(reason?: unknown): void {
    this.#part.close();
    this.#operation.giveUp(reason);
  }
}

/** The failure of an upload as the session is told of it. */
export function explained(error: unknown, mayNotReplace: boolean): unknown {
  if (!mayNotReplace || !(error instanceof FerryError) || error.code !== "AlreadyExists") return error;
  return new FerryError("AlreadyExists", "it exists already, and you may not replace files here");
}

/** What an upload needs to know of the session that it belongs to. */
export interface UploadTerms {
  readonly operation: Operation;
  /** Where in the file it begins. */
  readonly offset: number;
  /** The size that the file may have, in bytes. */
  readonly maxSize: number;
  /** Whether the session would replace a file, and has no right to. */
  readonly mayNotReplace: boolean;
}

/** An upload that is no larger than it may be, and whose operation ends when it is committed or aborted. */
export class AuthorizedUpload implements Upload {
  readonly openPart?: NonNullable<Upload["openPart"]>;
  readonly #upload: Upload;
  readonly #terms: UploadTerms;
  readonly #operation: Operation;
  readonly #onEnd: (() => void) | undefined;
  #end: number;

  /**
   * @param openPart Opens a part, if any are taken.
   * @param onEnd Called when it has ended, however.
   */
  constructor(upload: Upload, terms: UploadTerms, openPart: Upload["openPart"], onEnd: (() => void) | undefined) {
    this.#upload = upload;
    this.#terms = terms;
    this.#operation = terms.operation;
    this.#end = terms.offset;
    this.#onEnd = onEnd;
    if (openPart) this.openPart = openPart;
  }

  write(bytes: Uint8Array): Promise<void> | void {
    this.#end += bytes.length;
    keepSize(this.#operation, this.#end, this.#terms.maxSize);
    const writing = this.#upload.write(bytes);
    this.#operation.bytes += bytes.length;
    return writing;
  }

  async commit(): Promise<Receipt> {
    try {
      const receipt = await this.#upload.commit();
      this.#operation.end();
      return receipt;
    } catch (thrown) {
      const error = explained(thrown, this.#terms.mayNotReplace);
      this.#operation.end(error);
      throw error;
    } finally {
      this.#onEnd?.();
    }
  }

  /** @param reason Why it is given up. */
  async abort(reason?: unknown): Promise<void> {
    this.#onEnd?.();
    try {
      await this.#upload.abort();
    } finally {
      this.#operation.giveUp(reason);
    }
  }
}
