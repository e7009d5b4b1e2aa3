import { join } from "@std/path";
import type { BlockSums } from "../protocol/blocks.ts";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { PacedFile } from "./file.ts";
import { sumBlocks } from "./blocks.ts";
import { mtimeMs as mtimeMsOf, versionOf } from "./facts.ts";
import { lookAgain, lstatOrNothing } from "./lookup.ts";
import { PartialFile, PERMISSION_BITS } from "./partial.ts";
import type { RemotePath } from "./path.ts";
import { Part } from "./part.ts";
import { SpaceKeeper } from "./space.ts";
import type { BlockOptions, Receipt, Upload, UploadOptions, UploadPart } from "./storage.ts";
import { added } from "./watch.ts";

/** Where an upload goes: a real directory, a name in it, and what had that name when the upload began. */
export interface UploadTarget {
  readonly directory: string;
  readonly name: string;
  readonly path: RemotePath;
  readonly replaced: Deno.FileInfo | undefined;
}

/** The most parts that are remembered; far fewer are enough for any file. */
const MAX_PARTS = 10_000;

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
  readonly #space: SpaceKeeper;
  readonly #parts: Part[] = [];
  readonly kept: number;
  #size = 0;
  #started = false;
  #open = true;

  constructor(target: UploadTarget, options: UploadOptions) {
    this.#target = target;
    this.#options = options;
    if (target.replaced) this.#refuseToOverwrite();
    if (options.size !== undefined) this.#checkSize(options.size);
    this.#space = new SpaceKeeper(target.directory, options.keepFree ?? 0);
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
    // What is left may be from a time when more was allowed.
    this.#checkSize(offset);
    this.#started = true;
    this.#size = offset;
    try {
      if (this.#partial.size > offset) this.#partial.file.truncateSync(offset);
      if (this.#partial.size > 0) this.#partial.file.seekSync(offset, Deno.SeekMode.Start);
      this.#space.require((this.#options.size ?? offset) - offset);
    } catch (error) {
      throw toFerryError(error);
    }
  }

  write(bytes: Uint8Array): Promise<void> | void {
    if (!this.#started) this.startAt(0);
    this.#size += bytes.length;
    this.#prepare(this.#size, bytes.length);
    try {
      return this.#file.write(bytes)?.catch((error) => Promise.reject(toFerryError(error)));
    } catch (error) {
      throw toFerryError(error);
    }
  }

  openPart(offset: number): UploadPart {
    if (!this.#started) throw new FerryError("BadRequest", "the upload has not begun");
    if (this.#parts.length >= MAX_PARTS) throw new FerryError("TooLarge", `a file has at most ${MAX_PARTS} parts`);
    this.#prepare(offset, 0);
    try {
      const part = new Part(this.#partial, offset, (end, bytes) => this.#prepare(end, bytes));
      this.#parts.push(part);
      return part;
    } catch (error) {
      throw toFerryError(error);
    }
  }

  async commit(): Promise<Receipt> {
    const { path, directory, name } = this.#target;
    const { size, mtimeMs, durable = false } = this.#options;
    const { file, path: partial } = this.#partial;
    try {
      if (this.#parts.length > 0) await this.#endParts();
      if (!this.#started) this.startAt(0);
      this.#joinParts();
      if (size !== undefined && this.#size !== size) {
        throw new FerryError("BadRequest", `${this.#size} of the announced ${size} bytes were sent`);
      }
      if (mtimeMs !== undefined) file.utimeSync(new Date(mtimeMs), new Date(mtimeMs));
      const destination = join(directory, name);
      if (durable) await file.sync();
      // After everything that takes time: meanwhile something else may have been given that name.
      if (this.#options.overwrite === false && lstatOrNothing(destination)) this.#refuseToOverwrite();
      // A directory on the way may have been renamed, and another made, with the partial file of somebody else.
      const written = this.#partial.inPlace();
      if (!written) throw new FerryError("Changed", "the directory was replaced meanwhile; try again");
      if (written.size !== this.#size) throw new FerryError("Changed", "the partial file was changed by others");
      Deno.renameSync(partial, destination);
      added(destination);
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
    if (this.#parts.length > 0) await this.#endParts();
    try {
      // While the lock is held the name cannot belong to another upload.
      if (this.#partial.inPlace()?.size === 0) Deno.removeSync(this.#partial.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw toFerryError(error);
    } finally {
      this.#close();
    }
  }

  /** Sees whether so many bytes may be written that end at a position of the file. */
  #prepare(end: number, bytes: number): void {
    const { size } = this.#options;
    if (size !== undefined && end > size) {
      throw new FerryError("BadRequest", `what was sent goes beyond the announced ${size} bytes`);
    }
    this.#checkSize(end);
    this.#space.require(bytes);
  }

  #checkSize(size: number): void {
    const { maxSize = Infinity } = this.#options;
    if (size > maxSize) throw new FerryError("TooLarge", `a file may have at most ${maxSize} bytes here`);
  }

  async #endParts(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.end()));
  }

  /** Counts the parts up to the first gap. One that was sent again, since its answer was lost, counts once. */
  #joinParts(): void {
    const received = this.#parts.filter((part) => part.isFinished).sort((a, b) => a.offset - b.offset);
    for (const { offset, size } of received) {
      if (offset <= this.#size) this.#size = Math.max(this.#size, offset + size);
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
