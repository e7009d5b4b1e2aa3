import type { FileMetadata, Receipt } from "../core/metadata.ts";
import { NO_BLOCKS } from "../core/block_sums.ts";
import type { ByteSink, Kept, Reader, Storage, Upload } from "../storage/storage.ts";
import type { ContentOptions } from "./content_options.ts";
import type { Blame, Place } from "./place.ts";
import { pump } from "./pump.ts";

/** What was transferred. */
export interface Copied {
  /** The source, as it was read. */
  readonly metadata: FileMetadata;
  /** What the target has stored. */
  readonly receipt: Receipt;
}

/** Where in the file a transfer begins. */
export interface Start {
  /** Nothing stands for 0. */
  readonly offset?: number;
  /** The state of what the target has kept, and the source as it was, that were compared. */
  readonly kept?: string;
  readonly metadata?: FileMetadata;
}

/** What the bytes are that a reader gives. */
interface Range {
  readonly offset: number;
  /** The size of the whole file. */
  readonly size: number;
  /** Whether the file may change while it is read, since it is compared later. */
  readonly mayChange?: boolean;
}

/** What every transfer of one file is made of. It knows which side it is at work on. */
export class ContentSteps implements Blame {
  isSource = false;
  readonly source: Place;
  readonly target: Place;
  readonly options: ContentOptions;

  /** Steps between two places. */
  constructor(source: Place, target: Place, options: ContentOptions) {
    this.source = source;
    this.target = target;
    this.options = options;
  }

  /** What the source is now. */
  stat(): Promise<FileMetadata> {
    this.isSource = true;
    return this.source.storage.stat(this.source.path, { signal: this.options.signal });
  }

  /** Asks the target what it has kept of a file of this size. */
  offer(size: number | undefined): Promise<Kept> | Kept {
    const { overwrite, signal } = this.options;
    const { storage, path } = this.target;
    this.isSource = false;
    return storage.offer?.(path, { size, overwrite, signal }) ?? { sums: NO_BLOCKS, state: "" };
  }

  /** The sums of the first blocks of the source. */
  blocks(length: number, blockSize: number): ReturnType<Storage["blocks"]> {
    this.isSource = true;
    return this.source.storage.blocks(this.source.path, { length, blockSize, signal: this.options.signal });
  }

  /** Begins the upload of a source with this metadata. */
  open(metadata: FileMetadata, { offset, kept }: Start, inParts: boolean): Promise<Upload> {
    const { overwrite, durable, signal, known, mtimeMs = metadata.mtimeMs } = this.options;
    const { size, mode = known?.mode } = metadata;
    this.isSource = false;
    const options = { size, mtimeMs, mode, offset, kept, overwrite, durable, inParts, signal };
    return this.target.storage.upload(this.target.path, options);
  }

  /** Moves what a reader gives into a sink, and tells of it. */
  pump(
    reader: Reader,
    sink: ByteSink,
    { offset, size, mayChange }: Range,
  ): Promise<void> {
    const { signal, onProgress } = this.options;
    onProgress?.(offset, size);
    const onMoved = (moved: number) => onProgress?.(offset + moved, size);
    return pump(reader, sink, { blame: this, mayChange, signal, onMoved });
  }

  /** Ends an upload. Why it was given up says more than a failure of this. */
  async giveUp(upload: Upload | undefined): Promise<void> {
    const kept = await upload?.abort().catch(() => {});
    if (typeof kept === "number") this.options.onKept?.(kept);
  }
}
