import { FerryError, toFerryError } from "../protocol/errors.ts";
import { PacedFile } from "./file.ts";
import type { PartialFile } from "./partial.ts";
import type { SpaceKeeper } from "./space.ts";
import type { UploadPart } from "./storage.ts";

const UPLOAD_ENDED = "the upload has ended";

/** Writes into the partial file through a handle of its own, and so at a position of its own. */
export class Part implements UploadPart {
  /** Where in the file it begins. */
  readonly offset: number;
  readonly #file: PacedFile;
  readonly #limit: number;
  readonly #space: SpaceKeeper;
  #size = 0;
  #isFinished = false;
  #writing: Promise<void> | undefined;
  #ended = false;

  /** @param options `limit`: where in the file it must end, in bytes. */
  constructor(partial: PartialFile, offset: number, { limit, space }: { limit: number; space: SpaceKeeper }) {
    this.#file = new PacedFile(partial.reopen());
    this.#file.file.seekSync(offset, Deno.SeekMode.Start);
    this.offset = offset;
    this.#limit = limit - offset;
    this.#space = space;
  }

  /** How many bytes it has so far. */
  get size(): number {
    return this.#size;
  }

  /** Whether all of it has arrived. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  write(bytes: Uint8Array): Promise<void> | void {
    if (this.#ended) throw new FerryError("NotFound", UPLOAD_ENDED);
    this.#size += bytes.length;
    if (this.#size > this.#limit) throw new FerryError("BadRequest", "a part goes beyond the end of the file");
    this.#space.count(bytes.length);
    try {
      const writing = this.#file.write(bytes);
      if (writing) return this.#writing = writing.catch((error) => Promise.reject(toFerryError(error)));
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
