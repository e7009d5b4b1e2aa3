import type { Receipt } from "../../core/metadata.ts";
import { existsSync } from "node:fs";
import { join } from "@std/path";
import { blockSizeFor, MIN_BLOCK_BYTES } from "../../core/block_sums.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { sumBlocks } from "./sum_blocks.ts";
import { mtimeMs as mtimeMsOf, narrowed, PERMISSION_BITS, versionOf } from "./system_metadata.ts";
import { requireSpace } from "./disk_space.ts";
import { PacedFile } from "./paced_file.ts";
import type { KeptFiles } from "./kept_files.ts";
import { isSameFile, type Location, lookAgain, lstatOrNothing } from "./lookup.ts";
import { Part, partAt } from "./upload_part.ts";
import { type OpenPermissions, TemporaryFile } from "./temporary_file.ts";
import type { RemotePath } from "../../core/remote_path.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import type { Kept, OfferOptions, Upload, UploadOptions, UploadPart } from "../storage.ts";
import { added } from "./watch.ts";

/** Where an upload goes, and what had that name when it began, or what a link of that name led to. */
export interface UploadTarget extends Location {
  readonly path: RemotePath;
  /** What a link leads to, if that is served. */
  readonly behind: (link: string) => Deno.FileInfo | undefined;
}

/** The most parts that are remembered; far fewer are enough for any file. */
const MAX_PARTS = 10_000;

/** Opens a directory to sync it. Windows does not open directories, and has no need to sync them. */
async function openDirectory(directory: string): Promise<Deno.FsFile | undefined> {
  return Deno.build.os === "windows" ? undefined : await Deno.open(directory, { read: true });
}

/** Which permission bits the file shall have. */
function permissionsFor({ info }: UploadTarget, { mode }: UploadOptions): OpenPermissions {
  // Nobody may read the new content who could not read the old.
  if (info?.mode) return { mode: narrowed(info, mode ?? info.mode) };
  return mode === undefined ? {} : { mode: mode & PERMISSION_BITS, isMasked: true };
}

/** How far a file goes with these parts, up to the first gap. One that was sent again counts once. */
function sizeWith(size: number, parts: readonly Part[]): number {
  for (const { offset, received } of parts.toSorted((a, b) => a.offset - b.offset)) {
    if (offset <= size) size = Math.max(size, offset + received);
  }
  return size;
}

/** What an earlier upload has left, and whether one would be taken now; see `Storage.offer`. */
export async function offerUpload(target: UploadTarget, options: OfferOptions): Promise<Kept> {
  const { size, owner, keepFree, wholeBlocks, signal } = options;
  try {
    const partial = TemporaryFile.openKept(target.directory, target.name, owner);
    try {
      // A size that is not announced is no bound for the work.
      const known = Math.min(partial?.size ?? 0, size ?? partial?.used ?? 0);
      const blockSize = blockSizeFor(size ?? known);
      const length = wholeBlocks ? known - known % blockSize : known;
      requireSpace(target.directory, (size ?? length) - length, keepFree);
      if (length > 0) await partial?.settle();
      const file = partial && new PacedFile(partial.file);
      const sums = await sumBlocks((chunk) => file?.read(chunk) ?? null, { length, blockSize, signal });
      return { sums, state: length > 0 ? partial?.state ?? "" : "" };
    } finally {
      partial?.file.close();
    }
  } catch (error) {
    throw toFerryError(error);
  }
}

/** Writes a partial file beside the target and renames it when it is complete. */
export class DirectoryUpload implements Upload {
  readonly #target: UploadTarget;
  readonly #options: UploadOptions;
  readonly #keptFiles: KeptFiles;
  readonly #partial: TemporaryFile;
  /** What the upload itself writes. */
  readonly #body: Part;
  readonly #parts: Part[] = [];
  /** How many parts were opened. */
  opened = 0;
  /** Whether what is still a partial file has the time that the file shall have, and not that of its last change. */
  #isDated = false;
  #hasBegun = false;
  #open = true;

  constructor(target: UploadTarget, options: UploadOptions, keptFiles: KeptFiles) {
    this.#target = target;
    this.#options = options;
    this.#keptFiles = keptFiles;
    const { offset = 0, kept, size = offset, owner, keepFree, wholeBlocks } = options;
    const isMidBlock = wholeBlocks && offset % MIN_BLOCK_BYTES !== 0;
    if (offset > size || offset > 0 && kept === undefined || isMidBlock) {
      throw new FerryError("BadRequest", `${offset} is not a place to go on at`);
    }
    this.#partial = TemporaryFile.open(target.directory, target.name, owner, permissionsFor(target, options));
    try {
      if (offset > 0 && (kept !== this.#partial.state || offset > this.#partial.size)) {
        throw new FerryError("Changed", "what was kept of an earlier upload is not what it was; try again");
      }
      requireSpace(target.directory, size - Math.max(offset, this.#partial.size), keepFree);
      this.#body = new Part(this.#partial.file, offset, this);
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  write(bytes: Uint8Array): Promise<void> | void {
    return this.#body.write(bytes);
  }

  openPart(offset: number): UploadPart {
    // What was kept and compared must not change.
    if (offset < this.#body.offset) throw new FerryError("BadRequest", "that part is there already");
    if (this.#parts.length >= MAX_PARTS) throw new FerryError("TooLarge", `a file has at most ${MAX_PARTS} parts`);
    try {
      this.prepare(offset, 0);
      // It is sent again: what still comes from the first time must not overwrite it.
      for (const part of this.#parts) if (part.offset === offset && !part.isFinished) void part.stop();
      this.opened++;
      const part = partAt(this.#partial.reopen(), offset, this);
      this.#parts.push(part);
      return part;
    } catch (error) {
      throw toFerryError(error);
    }
  }

  async commit(): Promise<Receipt> {
    const { path, directory, name } = this.#target;
    const { durable = false, owner = "", signal } = this.#options;
    const { file, path: partial } = this.#partial;
    try {
      throwIfAborted(signal);
      if (this.#parts.length > 0) await this.#stopParts();
      const size = this.#completeSize();
      const destination = join(directory, name);
      // Whether it can be opened has to be known before there is a file in it.
      using parent = durable ? await openDirectory(directory) : undefined;
      this.#begin();
      this.#date();
      if (durable) await file.sync();
      throwIfAborted(signal);
      const there = this.#replaced(destination);
      const written = this.#lookAgain(size, parent);
      this.#partial.finish(written, there);
      Deno.renameSync(partial, destination);
      added(destination);
      this.#isDated = false;
      this.#keptFiles.delete(owner, partial);
      await parent?.sync();
      const info = lookAgain(file, destination, written);
      this.#close();
      return { path, size: info.size, mtimeMs: mtimeMsOf(info), version: versionOf(info), durable };
    } catch (error) {
      throw toFerryError(error);
    }
  }

  async abort(): Promise<number> {
    if (!this.#open) return 0;
    let left = 0;
    const { file } = this.#partial;
    try {
      // What lies behind a gap cannot be resumed, and may be very far away.
      if (this.#parts.length > 0) {
        await this.#stopParts();
        const size = sizeWith(this.#body.offset + this.#body.received, this.#parts);
        if (file.statSync().size > size) file.truncateSync(size);
      }
      if (this.#isDated) file.utimeSync(new Date(), new Date());
    } catch (error) {
      throw toFerryError(error);
    } finally {
      left = this.#leave();
    }
    return left;
  }

  /** Prepares to write this many bytes that end at a position of the file, if they may be written. */
  prepare(end: number, bytes: number): void {
    const { size, keepFree, signal } = this.#options;
    throwIfAborted(signal);
    if (size !== undefined && end > size) {
      throw new FerryError("BadRequest", `what was sent goes beyond the announced ${size} bytes`);
    }
    this.#begin();
    requireSpace(this.#target.directory, bytes, keepFree);
  }

  /** Drops what was kept beyond the offset: only now, since until bytes arrive the upload may be given up. */
  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    if (this.#partial.size > this.#body.offset) this.#partial.file.truncateSync(this.#body.offset);
  }

  async #stopParts(): Promise<void> {
    await Promise.all([this.#body, ...this.#parts].map((part) => part.stop()));
  }

  /** The size of the file. @throws {FerryError} `BadRequest` when something of it is missing, or in doubt. */
  #completeSize(): number {
    const { size: wanted } = this.#options;
    const finished = this.#parts.filter((part) => part.isFinished);
    const size = sizeWith(this.#body.offset + this.#body.sent, finished);
    if (wanted !== undefined && size !== wanted) {
      throw new FerryError("BadRequest", `${size} of the announced ${wanted} bytes were sent`);
    }
    if (this.#parts.length > 0 && this.#partial.file.statSync().size > size) {
      throw new FerryError("BadRequest", `what was sent has a gap after ${size} bytes`);
    }
    // What a part has written that did not come to its end may lie over what others have sent.
    const last = new Map(finished.map((part) => [part.offset, part]));
    const cut = this.#parts.find((part) => !part.isFinished && part.sent > 0 && !last.get(part.offset)?.replaces(part));
    if (cut) throw new FerryError("BadRequest", `the part at ${cut.offset} was begun and not completed; send it again`);
    return size;
  }

  /** What has the name by now, a link followed, after everything that takes time. @throws {FerryError} `AlreadyExists`. */
  #replaced(destination: string): Deno.FileInfo | undefined {
    const isNew = this.#options.overwrite === false;
    // Most often there is nothing, and this is the cheap way to find out.
    const there = isNew || existsSync(destination) ? lstatOrNothing(destination) : undefined;
    if (there && isNew) throw new FerryError("AlreadyExists", "it exists already");
    return there?.isSymlink ? this.#target.behind(destination) : there;
  }

  /** What the partial file is, in the synchronous step that gives it its name. @throws {FerryError} when it may not have it. */
  #lookAgain(size: number, parent: Deno.FsFile | undefined): Deno.FileInfo {
    // A directory on the way may have been renamed, and another made, with the partial file of somebody else.
    const written = this.#partial.inPlace();
    if (!written) throw new FerryError("Changed", "the directory was replaced meanwhile; try again");
    if (written.size !== size) throw new FerryError("Changed", "the partial file was changed by others");
    // What is synced is the directory that the file is put in.
    if (parent && !isSameFile(parent.statSync(), Deno.lstatSync(this.#target.directory))) {
      throw new FerryError("Changed", "the directory was replaced meanwhile; try again");
    }
    return written;
  }

  /** Gives the partial file the time that the file shall have. */
  #date(): void {
    const { mtimeMs } = this.#options;
    if (mtimeMs === undefined) return;
    this.#isDated = true;
    this.#partial.file.utimeSync(new Date(mtimeMs), new Date(mtimeMs));
  }

  /** Closes the partial file, which stays if there is something in it. @returns How much. */
  #leave(): number {
    const { path } = this.#partial;
    const { owner = "" } = this.#options;
    try {
      // While the lock is held the name cannot belong to another upload.
      const left = this.#partial.inPlace();
      if (left && left.size > 0) {
        this.#keptFiles.add(owner, path, left);
        return left.size;
      }
      this.#keptFiles.delete(owner, path);
      if (left) Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw toFerryError(error);
    } finally {
      this.#close();
    }
    return 0;
  }

  #close(): void {
    this.#open = false;
    this.#partial.file.close();
  }
}
