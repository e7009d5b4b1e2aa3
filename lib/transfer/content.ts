import { matchingBytes } from "../core/block_sums.ts";
import { FerryError, hasCode } from "../core/errors.ts";
import type { FileMetadata, Receipt } from "../core/metadata.ts";
import type { Reader, Upload } from "../storage/storage.ts";
import type { ContentOptions } from "./content_options.ts";
import { type Blame, failureOf, type Place } from "./place.ts";
import { PIECE_BYTES, pump } from "./pump.ts";
import { copyRanges, MIN_SPLIT_BYTES } from "./ranges.ts";

/** How often a transfer that was to go on begins again because something has changed meanwhile. */
const MAX_RESTARTS = 3;

/** What was transferred. */
export interface Copied {
  /** The source, as it was read. */
  readonly metadata: FileMetadata;
  /** What the target has stored. */
  readonly receipt: Receipt;
}

/** Where in the file a transfer begins. */
interface Start {
  /** Nothing stands for 0. */
  readonly offset?: number;
  /** The state of what the target has kept, and the source as it was, that were compared. */
  readonly kept?: string;
  readonly metadata?: FileMetadata;
}

const BEGINNING: Start = {};

/** A transfer of the content of one file. */
class Content implements Blame {
  isSource = false;
  readonly #source: Place;
  readonly #target: Place;
  readonly #options: ContentOptions;

  constructor(source: Place, target: Place, options: ContentOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  async copy(): Promise<Copied> {
    const { known, resume = true } = this.#options;
    // For a small file, asking costs more than it saves.
    const mayResume = resume && (known === undefined || known.size > PIECE_BYTES);
    try {
      for (let restarts = 0; mayResume && restarts < MAX_RESTARTS; restarts++) {
        const copied = await this.#resume();
        if (copied) return copied;
      }
      return await this.#copyFrom(BEGINNING);
    } catch (error) {
      const { shown } = this.isSource ? this.#source : this.#target;
      throw failureOf(error, this, shown, this.#options.verb ?? "copy");
    }
  }

  /** Goes on with what the target has kept. @returns Nothing when that, or the source, has changed meanwhile. */
  async #resume(): Promise<Copied | undefined> {
    const start = await this.#start();
    try {
      return await this.#copyFrom(start);
    } catch (error) {
      if (start === BEGINNING || !hasCode(error, "Changed")) throw error;
      return undefined;
    }
  }

  /** Asks the target what it has kept, and compares that with the source. */
  async #start(): Promise<Start> {
    const { known, overwrite, signal } = this.#options;
    const { storage, path } = this.#target;
    if (!storage.offer) return BEGINNING;
    this.isSource = false;
    const { sums, state: kept } = await storage.offer(path, { size: known?.size, overwrite, signal });
    const { covered: length, blockSize } = sums;
    if (length === 0) return BEGINNING;
    this.isSource = true;
    const source = await this.#source.storage.blocks(this.#source.path, { length, blockSize, signal });
    const offset = matchingBytes(source.sums, sums);
    return offset > 0 ? { offset, kept, metadata: source.metadata } : {};
  }

  async #copyFrom(start: Start): Promise<Copied> {
    const { connections = 1, turn, attempts, signal } = this.#options;
    const whole = connections > 1 ? await this.#statIfSplit() : undefined;
    const taken = turn?.();
    const leave = taken instanceof Promise ? await taken : taken;
    try {
      const pausing = attempts?.ready(signal);
      if (pausing) await pausing;
      return whole ? await this.#copyInRanges(start, whole) : await this.#copyInOne(start, leave);
    } finally {
      leave?.();
    }
  }

  /** The metadata of the source, if it is to be transferred in ranges. */
  async #statIfSplit(): Promise<FileMetadata | undefined> {
    this.isSource = true;
    const metadata = await this.#source.storage.stat(this.#source.path, { signal: this.#options.signal });
    return metadata.kind === "file" && metadata.size >= MIN_SPLIT_BYTES ? metadata : undefined;
  }

  /** @param leave Called when everything was read. */
  async #copyInOne(start: Start, leave: (() => void) | undefined): Promise<Copied> {
    const reader = await this.#read(start);
    const { metadata } = reader;
    let isOpen = true;
    let upload: Upload | undefined;
    try {
      upload = await this.#open(metadata, start, false);
      await this.#pour(reader, upload, start);
      this.isSource = false;
      const committing = upload.commit();
      isOpen = false;
      reader.close();
      leave?.();
      return { metadata, receipt: await committing };
    } catch (error) {
      await giveUp(upload);
      throw error;
    } finally {
      if (isOpen) reader.close();
    }
  }

  async #copyInRanges(start: Start, metadata: FileMetadata): Promise<Copied> {
    const { version } = start.metadata ?? metadata;
    const rest = { offset: start.offset ?? 0, size: metadata.size, version };
    let upload: Upload | undefined;
    try {
      upload = await this.#open(metadata, start, true);
      if (upload.openPart) await copyRanges(this.#source, this.#target, upload, rest, this.#options);
      else await this.#pourAll(upload, { ...start, metadata });
      this.isSource = false;
      return { metadata, receipt: await upload.commit() };
    } catch (error) {
      await giveUp(upload);
      throw error;
    }
  }

  async #pourAll(upload: Upload, start: Start): Promise<void> {
    const reader = await this.#read(start);
    try {
      await this.#pour(reader, upload, start);
    } finally {
      reader.close();
    }
  }

  #read(start: Start): Promise<Reader> {
    this.isSource = true;
    const { offset, metadata } = start;
    const { storage, path } = this.#source;
    const reading = storage.read(path, { offset, ifVersion: metadata?.version, signal: this.#options.signal });
    return metadata ? reading.then((reader) => requireSame(reader, metadata)) : reading;
  }

  #open(metadata: FileMetadata, { offset, kept }: Start, inParts: boolean): Promise<Upload> {
    const { overwrite, durable, signal, known, mtimeMs = metadata.mtimeMs } = this.#options;
    const { size, mode = known?.mode } = metadata;
    this.isSource = false;
    const options = { size, mtimeMs, mode, offset, kept, overwrite, durable, inParts, signal };
    return this.#target.storage.upload(this.#target.path, options);
  }

  #pour(reader: Reader, upload: Upload, { offset = 0 }: Start): Promise<void> {
    const { signal, onProgress } = this.#options;
    const { size } = reader.metadata;
    onProgress?.(offset, size);
    const onMoved = (moved: number) => onProgress?.(offset + moved, size);
    return pump(reader, upload, { blame: this, signal, onMoved });
  }
}

/** Closes what is not the file that was compared. */
function requireSame(reader: Reader, { size, mtimeMs }: FileMetadata): Reader {
  if (reader.metadata.size === size && reader.metadata.mtimeMs === mtimeMs) return reader;
  reader.close();
  throw new FerryError("Corrupt", "the same version of it had another size or time before");
}

/** Ends an upload. Why it was given up says more than a failure of this. */
async function giveUp(upload: Upload | undefined): Promise<void> {
  await upload?.abort().catch(() => {});
}

/**
 * Transfers the content of a file between any two storages. It goes on with what an earlier attempt has left, where the
 * target keeps that, after it was compared with the source.
 *
 * @throws {FerryError} What the two storages throw; `Changed` when the source keeps changing; `Cancelled`.
 */
export function copyContent(source: Place, target: Place, options: ContentOptions = {}): Promise<Copied> {
  return new Content(source, target, options).copy();
}
