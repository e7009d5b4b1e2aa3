import { FerryError, toFerryError } from "../../core/errors.ts";
import { PacedFile } from "./paced_file.ts";
import type { TemporaryFile } from "./temporary_file.ts";
import type { UploadPart } from "../storage.ts";

const UPLOAD_ENDED = "the upload has ended";

/** Writes into the partial file through a handle of its own, and so at a position of its own. */
export class Part implements UploadPart {
  /** Where in the file it begins. */
  readonly offset: number;
  readonly #file: PacedFile;
  readonly #prepare: (end: number, bytes: number) => void;
  #size = 0;
  #received = 0;
  #isFinished = false;
  #writing: Promise<void> | undefined;
  #ended = false;

  /** @param prepare Called before bytes are written that end at a position of the file; throws when they may not. */
  constructor(partial: TemporaryFile, offset: number, prepare: (end: number, bytes: number) => void) {
    this.#file = new PacedFile(partial.reopen());
    this.#file.file.seekSync(offset, Deno.SeekMode.Start);
    this.offset = offset;
    this.#prepare = prepare;
  }

  /** How many bytes of it are in the file. */
  get received(): number {
    return this.#received;
  }

  /** Whether all of it has arrived. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  write(bytes: Uint8Array): Promise<void> | void {
    if (this.#ended) throw new FerryError("NotFound", UPLOAD_ENDED);
    this.#size += bytes.length;
    try {
      this.#prepare(this.offset + this.#size, bytes.length);
      const writing = this.#file.write(bytes);
      if (!writing) {
        this.#received += bytes.length;
        return;
      }
      const written = () => void (this.#received += bytes.length);
      return this.#writing = writing.then(written, (error) => Promise.reject(toFerryError(error)));
    } catch (error) {
      throw toFerryError(error);
    }
  }

  finish(): void {
    if (this.#ended) throw new FerryError("NotFound", UPLOAD_ENDED);
    this.#isFinished = true;
  }

  /** Makes sure that nothing more is written: the file will have its name, or belong to another upload. */
  async end(): Promise<void> {
    this.#ended = true;
    // Whoever writes sees the failure.
    await this.#writing?.catch(() => {});
  }

  close(): void {
    this.#file.file.close();
  }
}
