import { matchingBytes } from "../core/block_sums.ts";
import { FerryError, hasCode } from "../core/errors.ts";
import type { FileMetadata } from "../core/metadata.ts";
import type { Reader, Upload } from "../storage/storage.ts";
import type { ContentOptions } from "./content_options.ts";
import { ContentSteps, type Copied, type Start } from "./content_steps.ts";
import { copyGrown } from "./grown.ts";
import { failureOf, type Place } from "./place.ts";
import { PIECE_BYTES } from "./pump.ts";
import { copyRanges, MIN_SPLIT_BYTES } from "./ranges.ts";

/** How often a transfer begins again because something has changed meanwhile. */
const MAX_RESTARTS = 3;

/** Nothing was kept, or is used. */
const BEGINNING: Start = {};

/** A transfer of the content of one file. */
class Content extends ContentSteps {
  /** The source as the attempt has found it. */
  #begun: FileMetadata | undefined;

  async copy(): Promise<Copied> {
    const { known, resume = true } = this.options;
    // For a small file, asking costs more than it saves.
    const mayResume = resume && (known === undefined || known.size > PIECE_BYTES);
    let grown: FileMetadata | undefined;
    try {
      for (let restarts = 0;; restarts++) {
        try {
          if (grown) return await this.#copyLonger(grown);
          return await this.#copyFrom(mayResume && restarts < MAX_RESTARTS ? await this.#start() : BEGINNING);
        } catch (error) {
          if (restarts === MAX_RESTARTS || !hasCode(error, "Changed")) throw error;
          grown = grown ? undefined : await this.#ifLonger();
        }
      }
    } catch (error) {
      const { shown } = this.isSource ? this.source : this.target;
      throw failureOf(error, this, shown, this.options.verb ?? "copy");
    }
  }

  /** The source as the attempt has found it, if it is longer now. */
  async #ifLonger(): Promise<FileMetadata | undefined> {
    const begun = this.#begun;
    if (!begun) return undefined;
    const { kind, size, mode } = await this.stat();
    return kind === "file" && size > begun.size ? { ...begun, mode: begun.mode ?? mode } : undefined;
  }

  /** Asks the target what it has kept, and compares that with the source. */
  async #start(): Promise<Start> {
    const { sums, state: kept } = await this.offer(this.options.known?.size);
    if (sums.covered === 0) return BEGINNING;
    const source = await this.blocks(sums.covered, sums.blockSize);
    this.#begun = source.metadata;
    const offset = matchingBytes(source.sums, sums);
    return offset > 0 ? { offset, kept, metadata: source.metadata } : {};
  }

  async #copyFrom(start: Start): Promise<Copied> {
    const { connections = 1 } = this.options;
    const whole = connections > 1 ? await this.#statIfSplit() : undefined;
    return await this.#inTurn((leave) => whole ? this.#copyInRanges(start, whole) : this.#copyInOne(start, leave));
  }

  #copyLonger(grown: FileMetadata): Promise<Copied> {
    return this.#inTurn((leave) => copyGrown(this, grown, leave));
  }

  /** @param copy Gets what says that everything was read. */
  async #inTurn(copy: (leave: (() => void) | undefined) => Promise<Copied>): Promise<Copied> {
    const { turn, attempts, signal } = this.options;
    const taken = turn?.();
    const leave = taken instanceof Promise ? await taken : taken;
    try {
      const pausing = attempts?.ready(signal);
      if (pausing) await pausing;
      return await copy(leave);
    } finally {
      leave?.();
    }
  }

  /** The metadata of the source, if it is to be transferred in ranges. */
  async #statIfSplit(): Promise<FileMetadata | undefined> {
    const metadata = await this.stat();
    return metadata.kind === "file" && metadata.size >= MIN_SPLIT_BYTES ? metadata : undefined;
  }

  /** @param leave Called when everything was read. */
  async #copyInOne(start: Start, leave: (() => void) | undefined): Promise<Copied> {
    const reader = await this.#read(start);
    const metadata = this.#begun = reader.metadata;
    let isOpen = true;
    let upload: Upload | undefined;
    try {
      upload = await this.open(metadata, start, false);
      await this.#pour(reader, upload, start);
      this.isSource = false;
      const committing = upload.commit();
      isOpen = false;
      reader.close();
      leave?.();
      return { metadata, receipt: await committing };
    } catch (error) {
      await this.giveUp(upload);
      throw error;
    } finally {
      if (isOpen) reader.close();
    }
  }

  async #copyInRanges(start: Start, metadata: FileMetadata): Promise<Copied> {
    const { version } = this.#begun = start.metadata ?? metadata;
    const rest = { offset: start.offset ?? 0, size: metadata.size, version };
    let upload: Upload | undefined;
    try {
      upload = await this.open(metadata, start, true);
      if (upload.openPart) await copyRanges(this.source, this.target, upload, rest, this.options);
      else await this.#pourAll(upload, { ...start, metadata });
      this.isSource = false;
      return { metadata, receipt: await upload.commit() };
    } catch (error) {
      await this.giveUp(upload);
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
    const { storage, path } = this.source;
    const reading = storage.read(path, { offset, ifVersion: metadata?.version, signal: this.options.signal });
    return metadata ? reading.then((reader) => requireSame(reader, metadata)) : reading;
  }

  #pour(reader: Reader, upload: Upload, { offset = 0 }: Start): Promise<void> {
    return this.pump(reader, upload, { offset, size: reader.metadata.size });
  }
}

/** Closes what is not the file that was compared. */
function requireSame(reader: Reader, { size, mtimeMs }: FileMetadata): Reader {
  if (reader.metadata.size === size && reader.metadata.mtimeMs === mtimeMs) return reader;
  reader.close();
  throw new FerryError("Corrupt", "the same version of it had another size or time before");
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
