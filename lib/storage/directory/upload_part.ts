import { FerryError, toFerryError } from "../../core/errors.ts";
import { PacedFile } from "./paced_file.ts";
import type { UploadPart } from "../storage.ts";

const UPLOAD_ENDED = "the upload has ended";

/** Checks that this many bytes, which end at a position of the file, may be written. */
interface Guard {
  /** How many parts were opened so far. */
  readonly opened: number;
  prepare(end: number, bytes: number): void;
}

/** Writes into the partial file from a position on, through a handle of its own. */
export class Part implements UploadPart {
  /** Where in the file it begins. */
  readonly offset: number;
  /** How many bytes were to be written. */
  sent = 0;
  /** How many of them are in the file. */
  received = 0;
  /** Whether all of it has arrived. */
  isFinished = false;
  /** How many parts had been opened before it, and when its last bytes were written. */
  readonly #openedAt: number;
  #writtenAt: number;
  readonly #file: PacedFile;
  readonly #guard: Guard;
  #writing: Promise<void> | undefined;
  #ended = false;

  constructor(file: Deno.FsFile, offset: number, guard: Guard) {
    if (offset > 0) file.seekSync(offset, Deno.SeekMode.Start);
    this.#file = new PacedFile(file);
    this.offset = offset;
    this.#guard = guard;
    this.#openedAt = this.#writtenAt = guard.opened;
  }

  /** Whether its bytes are those in the file although `other`, which is not finished, wrote some of them before. */
  replaces(other: Part): boolean {
    return this.offset === other.offset && other.#writtenAt < this.#openedAt && other.sent <= this.sent;
  }

  write(bytes: Uint8Array): Promise<void> | void {
    if (this.#ended) throw new FerryError("NotFound", UPLOAD_ENDED);
    this.sent += bytes.length;
    this.#writtenAt = this.#guard.opened;
    try {
      this.#guard.prepare(this.offset + this.sent, bytes.length);
      const writing = this.#file.write(bytes);
      if (!writing) {
        this.received += bytes.length;
        return;
      }
      const written = () => {
        this.received += bytes.length;
        this.#writtenAt = this.#guard.opened;
      };
      return this.#writing = writing.then(written, (error) => Promise.reject(toFerryError(error)));
    } catch (error) {
      throw toFerryError(error);
    }
  }

  finish(): void {
    if (this.#ended) throw new FerryError("NotFound", UPLOAD_ENDED);
    this.isFinished = true;
  }

  /** Makes sure that nothing more is written: the file will have its name, or belong to another upload. */
  async stop(): Promise<void> {
    this.#ended = true;
    // The writer sees the failure.
    await this.#writing?.catch(() => {});
  }

  close(): void {
    this.#file.file.close();
  }
}

/**
 * A part of a file that was opened for it.
 *
 * @throws {FerryError} `TooLarge` for an offset that no file can have here.
 */
export function partAt(file: Deno.FsFile, offset: number, guard: Guard): Part {
  try {
    return new Part(file, offset, guard);
  } catch (cause) {
    file.close();
    throw new FerryError("TooLarge", "the file is larger than the system allows", { cause });
  }
}
