import { join } from "@std/path";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { PacedFile } from "./file.ts";
import { versionOf } from "./facts.ts";
import { lstatOrNothing } from "./lookup.ts";
import { openPartial, type Partial } from "./partial.ts";
import type { RemotePath } from "./path.ts";
import type { Receipt, Upload, UploadOptions } from "./storage.ts";

/** Where an upload goes: a real directory, a name in it, and what had that name when the upload began. */
export interface UploadTarget {
  readonly directory: string;
  readonly name: string;
  readonly path: RemotePath;
  readonly replaced: Deno.FileInfo | undefined;
}

/** The permission bits of a file that are kept when it is replaced. */
const PERMISSION_BITS = 0o777;

/** Writes a partial file beside the target and renames it when it is complete. */
export class DirectoryUpload implements Upload {
  readonly #target: UploadTarget;
  readonly #options: UploadOptions;
  readonly #partial: Partial;
  readonly #file: PacedFile;
  #size = 0;
  #open = true;

  constructor(target: UploadTarget, options: UploadOptions) {
    this.#target = target;
    this.#options = options;
    if (target.replaced) this.#refuseToOverwrite();
    this.#partial = openPartial(target.directory, target.name);
    this.#file = new PacedFile(this.#partial.file);
  }

  write(bytes: Uint8Array): Promise<void> | void {
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

  async commit(): Promise<Receipt> {
    const { path, directory, name, replaced } = this.#target;
    const { size, mtimeMs } = this.#options;
    const { file, path: partial } = this.#partial;
    try {
      if (size !== undefined && this.#size !== size) {
        throw new FerryError("BadRequest", `${this.#size} of the announced ${size} bytes were sent`);
      }
      if (file.statSync().size !== this.#size) {
        throw new FerryError("Changed", "the partial file was changed by others");
      }
      if (replaced?.mode) Deno.chmodSync(partial, replaced.mode & PERMISSION_BITS);
      if (mtimeMs !== undefined) file.utimeSync(new Date(mtimeMs), new Date(mtimeMs));
      const destination = join(directory, name);
      const now = lstatOrNothing(destination);
      if (now?.isDirectory) throw new FerryError("IsADirectory", "it is a directory");
      if (now) this.#refuseToOverwrite();
      Deno.renameSync(partial, destination);
      const info = file.statSync();
      this.#close();
      return { path, size: info.size, mtimeMs: info.mtime?.getTime() ?? 0, version: versionOf(info), durable: false };
    } catch (error) {
      throw toFerryError(error);
    }
  }

  async abort(): Promise<void> {
    if (!this.#open) return;
    try {
      // While the lock is held the name cannot belong to another upload.
      Deno.removeSync(this.#partial.path);
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
