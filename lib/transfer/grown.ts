import { blockSizeFor, type BlockSums, matchingBytes, NO_BLOCKS, wholeBlocks } from "../core/block_sums.ts";
import { changedWhileRead } from "../core/errors.ts";
import type { FileMetadata } from "../core/metadata.ts";
import { BlockSummer } from "../storage/block_summer.ts";
import type { Upload } from "../storage/storage.ts";
import type { ContentSteps, Copied, Start } from "./content_steps.ts";
import type { Place } from "./place.ts";

/** Where the transfer of a file begins that became longer after an earlier attempt had begun. */
interface GrownStart extends Start {
  /** The source as it was then, which the target is to have. */
  readonly metadata: FileMetadata;
  /** The sums of what comes before the offset: all of the file, or whole blocks. */
  readonly sums: BlockSums;
}

/**
 * Gives the target the file as it was when an earlier attempt began, although it became longer since, and perhaps still
 * does. Whether it only became longer no version tells: all bytes are compared with the source after the last was read.
 *
 * @param leave Called when everything was read.
 * @throws {FerryError} `Changed` when the source is not the same up to there.
 */
export async function copyGrown(
  steps: ContentSteps,
  grown: FileMetadata,
  leave: (() => void) | undefined,
): Promise<Copied> {
  const start = await startOf(steps, grown);
  let upload: Upload | undefined;
  try {
    upload = await steps.open(grown, start, false);
    await pour(steps, upload, start);
    leave?.();
    steps.isSource = false;
    const receipt = await upload.commit();
    steps.options.onGrown?.(grown.size);
    return { metadata: grown, receipt };
  } catch (error) {
    await steps.giveUp(upload);
    throw error;
  }
}

/** Asks the target what it has kept, all of which must still be the beginning of the source. */
async function startOf(steps: ContentSteps, metadata: FileMetadata): Promise<GrownStart> {
  const { size } = metadata;
  const { sums, state: kept } = await steps.offer(size);
  if (sums.covered === 0) return { metadata, sums: { ...NO_BLOCKS, blockSize: blockSizeFor(size) } };
  steps.isSource = true;
  await requirePrefix(steps.source, sums, steps.options.signal);
  const known = sums.covered === size ? sums : wholeBlocks(sums, Math.min(sums.covered, size));
  return { offset: known.covered, kept, metadata, sums: known };
}

/** Sends the rest, and compares all. */
async function pour(steps: ContentSteps, upload: Upload, { offset = 0, metadata, sums }: GrownStart): Promise<void> {
  const { size } = metadata;
  const { storage, path } = steps.source;
  const { signal, onProgress } = steps.options;
  if (offset === size) return onProgress?.(size, size);
  steps.isSource = true;
  const reader = await storage.read(path, { offset, length: size - offset, signal });
  try {
    if (reader.length < size - offset) throw changedWhileRead();
    const summer = new BlockSummer(sums);
    const write = (bytes: Uint8Array) => {
      summer.update(bytes);
      return upload.write(bytes);
    };
    await steps.pump(reader, { write }, { offset, size, mayChange: true });
    await requirePrefix(steps.source, summer.sums(), signal);
  } finally {
    reader.close();
  }
}

/**
 * Compares what has arrived with the beginning of the source.
 *
 * @returns The size of the source.
 * @throws {FerryError} `Changed` when they differ.
 */
export async function requirePrefix(source: Place, sums: BlockSums, signal: AbortSignal | undefined): Promise<number> {
  const { covered: length, blockSize } = sums;
  const now = await source.storage.blocks(source.path, { length, blockSize, signal });
  if (matchingBytes(now.sums, sums) < length) throw changedWhileRead();
  return now.metadata.size;
}
