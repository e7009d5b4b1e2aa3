import { blockSizeFor, NO_BLOCKS } from "../core/block_sums.ts";
import { cannot, hasCode } from "../core/errors.ts";
import type { FileMetadata, Receipt } from "../core/metadata.ts";
import { eitherSignal, unlessAborted } from "../core/unless_aborted.ts";
import { BlockSummer } from "../storage/block_summer.ts";
import type { OperationOptions, Reader, Upload, UploadOptions } from "../storage/storage.ts";
import type { ContentOptions } from "./content_options.ts";
import { requirePrefix } from "./grown.ts";
import type { Place } from "./place.ts";
import { PIECE_BYTES, pump } from "./pump.ts";

/** How to read a file into a stream. */
export interface StreamOptions extends OperationOptions {
  /** Told how many bytes were moved and how many there are in all, where that is known. Must not throw. */
  readonly onProgress?: ((moved: number, total: number | undefined) => void) | undefined;
}

/** How to store what a stream gives. */
export interface StoreOptions extends StreamOptions, Pick<UploadOptions, "overwrite" | "durable" | "mtimeMs"> {}

/** Is aborted by `signal`, or with the failure of what the stream is connected to. */
function orFailure(signal: AbortSignal | undefined, { failure }: Pick<Reader, "failure">): AbortSignal | undefined {
  if (!failure) return signal;
  const stop = new AbortController();
  void failure.then((error) => stop.abort(error));
  return eitherSignal(signal, stop.signal);
}

/**
 * How large a file may be that is compared when it has changed, in bytes: what is in the stream cannot be read again, and to
 * sum it up on the way takes a third more time.
 */
const MAX_COMPARED_BYTES = 64 * 1024 * 1024;

function sumsOfAll(length: number): BlockSummer {
  return new BlockSummer({ ...NO_BLOCKS, blockSize: blockSizeFor(length) });
}

/**
 * Reads a file into a stream, in pieces of up to 1 MiB. The stream is closed at the end, and aborted when it fails.
 *
 * @throws {FerryError} What the storage or the stream throws; `Cancelled`, also while the stream takes nothing.
 */
export async function readToStream(
  source: Place,
  stream: WritableStream<Uint8Array>,
  { signal, onProgress, onGrown }: StreamOptions & Pick<ContentOptions, "onGrown"> = {},
): Promise<FileMetadata> {
  const { storage, path, shown } = source;
  const writer = stream.getWriter();
  let reader: Reader | undefined;
  try {
    reader = await storage.read(path, { signal });
    const { metadata, length } = reader;
    const either = orFailure(signal, reader);
    onProgress?.(0, length);
    const onMoved = (moved: number) => onProgress?.(moved, length);
    const sums = length <= MAX_COMPARED_BYTES ? sumsOfAll(length) : undefined;
    const write = (bytes: Uint8Array) => {
      sums?.update(bytes);
      // The stream keeps what it is given.
      return unlessAborted(writer.write(bytes.slice()), either);
    };
    try {
      await pump(reader, { write }, { blame: { isSource: true }, signal, onMoved });
      await unlessAborted(writer.close(), either);
    } catch (error) {
      const read = sums?.sums();
      if (!read || read.covered < length || !hasCode(error, "Changed")) throw error;
      const size = await requirePrefix(source, read, signal);
      await unlessAborted(writer.close(), signal);
      if (size > length) onGrown?.(length);
    }
    return metadata;
  } catch (error) {
    // Not awaited: a stream that takes nothing does not end either.
    writer.abort(error).catch(() => {});
    throw cannot("get", shown, error);
  } finally {
    reader?.close();
  }
}

/**
 * Stores what a stream gives. The stream is cancelled when that fails.
 *
 * @throws {FerryError} What the storage or the stream throws; `Cancelled`, also while the stream gives nothing.
 */
export async function storeStream(
  stream: ReadableStream<Uint8Array>,
  { storage, path, shown }: Place,
  { signal, onProgress, ...options }: StoreOptions = {},
): Promise<Receipt> {
  const reader = stream.getReader();
  let upload: Upload | undefined;
  try {
    // What a stream gives is gone when it is not taken.
    await storage.offer?.(path, { overwrite: options.overwrite, signal });
    upload = await storage.upload(path, { ...options, signal });
    const either = orFailure(signal, upload);
    for (let moved = 0;;) {
      const { value, done } = await unlessAborted(reader.read(), either);
      if (done) return await upload.commit();
      for (let start = 0; start < value.length; start += PIECE_BYTES) {
        const piece = value.subarray(start, start + PIECE_BYTES);
        await upload.write(piece);
        moved += piece.length;
        onProgress?.(moved, undefined);
      }
    }
  } catch (error) {
    reader.cancel(error).catch(() => {});
    await upload?.abort().catch(() => {});
    throw cannot("put", shown, error);
  }
}
