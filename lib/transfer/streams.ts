import { cannot } from "../core/errors.ts";
import type { FileMetadata, Receipt } from "../core/metadata.ts";
import { eitherSignal, unlessAborted } from "../core/unless_aborted.ts";
import type { OperationOptions, Reader, Upload, UploadOptions } from "../storage/storage.ts";
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
 * Reads a file into a stream, in pieces of up to 1 MiB. The stream is closed at the end, and aborted when it fails.
 *
 * @throws {FerryError} What the storage or the stream throws; `Cancelled`, also while the stream takes nothing.
 */
export async function readToStream(
  { storage, path, shown }: Place,
  stream: WritableStream<Uint8Array>,
  { signal, onProgress }: StreamOptions = {},
): Promise<FileMetadata> {
  const writer = stream.getWriter();
  let reader: Reader | undefined;
  try {
    reader = await storage.read(path, { signal });
    const { metadata, length } = reader;
    const either = orFailure(signal, reader);
    onProgress?.(0, length);
    // The stream keeps what it is given.
    const sink = { write: (bytes: Uint8Array) => unlessAborted(writer.write(bytes.slice()), either) };
    await pump(reader, sink, { blame: { isSource: true }, signal, onMoved: (moved) => onProgress?.(moved, length) });
    await unlessAborted(writer.close(), either);
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
