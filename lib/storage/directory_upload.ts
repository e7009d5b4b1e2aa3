import { join } from "@std/path";
import type { BlockSums } from "../protocol/blocks.ts";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { PacedFile } from "./file.ts";
import { sumBlocks } from "./blocks.ts";
import { mtimeMs as mtimeMsOf, versionOf } from "./facts.ts";
import { lookAgain, lstatOrNothing } from "./lookup.ts";
import { PartialFile } from "./partial.ts";
import type { RemotePath } from "./path.ts";
import type { BlockOptions, Receipt, Upload, UploadOptions, UploadPart } from "./storage.ts";

/** Where an upload goes: a real directory, a name in it, and what had that name when the upload began. */
export interface UploadTarget {
  readonly directory: string;
  readonly name: string;
  readonly path: RemotePath;
  readonly replaced: Deno.FileInfo | undefined;
}

/** The permission bits of a file that are kept when it is replaced. */
const PERMISSION_BITS = 0o777;

/** Writes into the partial file through a handle of its own, and so at a position of its own. */
class Part implements UploadPart {
  readonly #file: PacedFile;
  readonly #received: (bytes: number) => void;
  readonly #limit: number;
  #size = 0;

  constructor(partial: PartialFile, offset: number, fileSize: number, received: (bytes: number) => void) {
    this.#file = new PacedFile(partial.reopen());
    this.#file.file.seekSync(offset, Deno.SeekMode.Start);
    this.#limit = fileSize - offset;
    this.#received = received;
  }

  write(bytes: Uint8Array): Promise<void> | void {
    this.#size += bytes.length;
    if (this.#size > this.#limit) throw new FerryError("BadRequest", "a part goes beyond the end of the file");
    try {
      return this.#file.write(bytes)?.catch((error) => Promise.reject(toFerryError(error)));
    } catch (error) {
      throw toFerryError(error);
    }
  }

  finish(): void {
    this.#received(this.#size);
  }

  close(): void {
    this.#file.file.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows does not open directories, and has no need to sync them.
  if (Deno.build.os === "windows") return;
  using handle = await Deno.open(directory, { read: true });
  await handle.sync();
}

/** Writes a partial file beside the target and renames it when it is complete. */
export class DirectoryUpload implements Upload {
  readonly #target: UploadTarget;
  readonly #options: UploadOptions;
  readonly #partial: PartialFile;
  readonly #file: PacedFile;
  readonly kept: number;
  #size = 0;
  #started = false;
  #open = true;

  constructor(target: UploadTarget, options: UploadOptions) {
    this.#target = target;
    this.#options = options;
    if (target.replaced) this.#refuseToOverwrite();
    // Nobody may read the new content who could not read the old.
    const mode = target.replaced?.mode;
    this.#partial = PartialFile.open(target.directory, target.name, mode ? mode & PERMISSION_BITS : undefined);
    this.#file = new PacedFile(this.#partial.file);
    this.kept = options.resume ? this.#partial.size : 0;
  }

  async keptSums(options: Partial<BlockOptions> = {}): Promise<BlockSums> {
    const length = Math.min(options.length ?? Infinity, this.kept);
    try {
      this.#file.file.seekSync(0, Deno.SeekMode.Start);
      return await sumBlocks((chunk) => this.#file.read(chunk), { ...options, length });
    } catch (error) {
      throw toFerryError(error);
    }
  }

  startAt(offset: number): void {
    if (this.#started || offset > this.kept) throw new FerryError("BadRequest", `${offset} is not a place to go on at`);
    this.#started = true;
    this.#size = offset;
    try {
      if (this.#partial.size > offset) this.#partial.file.truncateSync(offset);
      if (this.#partial.size > 0) this.#partial.file.seekSync(offset, Deno.SeekMode.Start);
    } catch (error) {
      throw toFerryError(error);
    }
  }

  write(bytes: Uint8Array): Promise<void> | void {
    if (!this.#started) this.startAt(0);
    this.#size += bytes.length;
    const limit = this.#options.size;
    if (limit !== undefined && this.#size > limit) {
      throw new FerryError("BadRequest", `more than the announced ${limit} bytes were sent`);
    }
    try {
      return this.#file.write(bytes)?.catch((error) => Promise.reject(toFerryError(error)));
    } catch (error) {
      throw toFerryError(error);
    }
  }

  openPart(offset: number): UploadPart {
    if (!this.#started) throw new FerryError("BadRequest", "the upload has not begun");
    try {
      return new Part(this.#partial, offset, this.#options.size ?? Infinity, (bytes) => this.#size += bytes);
    } catch (error) {
      throw toFerryError(error);
    }
  }

  async commit(): Promise<Receipt> {
    const { path, directory, name } = this.#target;
    const { size, mtimeMs, durable = false } = this.#options;
    const { file, path: partial } = this.#partial;
    try {
      if (!this.#started) this.startAt(0);
      if (size !== undefined && this.#size !== size) {
        throw new FerryError("BadRequest", `${this.#size} of the announced ${size} bytes were sent`);
      }
      if (mtimeMs !== undefined) file.utimeSync(new Date(mtimeMs), new Date(mtimeMs));
      const destination = join(directory, name);
      if (this.#options.overwrite === false && lstatOrNothing(destination)) this.#refuseToOverwrite();
      if (durable) await file.sync();
      // A directory on the way may have been renamed, and another made, with the partial file of somebody else.
      const written = this.#partial.inPlace();
      if (!written) throw new FerryError("Changed", "the directory was replaced meanwhile; try again");
      if (written.size !== this.#size) throw new FerryError("Changed", "the partial file was changed by others");
      Deno.renameSync(partial, destination);
      if (durable) await syncDirectory(directory);
      const info = lookAgain(file, destination, written);
      this.#close();
      return { path, size: info.size, mtimeMs: mtimeMsOf(info), version: versionOf(info), durable };
    } catch (error) {
      throw toFerryError(error);
    }
  }

  async abort(): Promise<void> {
    if (!this.#open) return;
    try {
      // While the lock is held the name cannot belong to another upload.
      if (this.#partial.inPlace()?.size === 0) Deno.removeSync(this.#partial.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw toFerryError(error);
    } finally {
      this.#close();
    }
  }

  #refuseToOverwrite(): void {
    if (this.#options.overwrite === false) throw new FerryError("AlreadyExists", "it exists already");
  }

  #close(): void {
    this.#open = false;
    this.#partial.file.close();
  }
}
