import { cannot, FerryError } from "../core/errors.ts";
import type { FileMetadata, Receipt } from "../core/metadata.ts";
import { throwIfAborted, unlessAborted } from "../core/unless_aborted.ts";
import type { OperationOptions, Reader, Upload } from "../storage/storage.ts";
import type { Place } from "./place.ts";
import { PIECE_BYTES } from "./pump.ts";

/** How to read a file into a stream. */
export interface StreamOptions extends OperationOptions {
  /** Told how many bytes were moved and how many there are in all, where that is known. Must not throw. */
  readonly onProgress?: ((moved: number, total: number | undefined) => void) | undefined;
}

/** How to store what a stream gives. */
export interface StoreOptions extends StreamOptions {
  /** Whether an existing file is replaced (the default) or the transfer fails with `AlreadyExists`. */
  readonly overwrite?: boolean | undefined;
  /** Whether the file is synced to the disk before the transfer is over. */
  readonly durable?: boolean | undefined;
  /** The time of last change that the file shall have, in ms since 1970; now when absent. */
  readonly mtimeMs?: number | undefined;
}

/** Is aborted by `signal`, or with the failure of what the stream is connected to. */
function orFailure(signal: AbortSignal | undefined, { failure }: Pick<Reader, "failure">): AbortSignal | undefined {
  if (!failure) return signal;
  const stop = new AbortController();
  void failure.then((error) => stop.abort(error));
  return signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
}

/** A copy of the next bytes that a reader gives, for somebody who keeps them; null at the end. */
async function nextOf(reader: Reader, left: number): Promise<Uint8Array | null> {
  if (reader.next) return (await reader.next())?.slice() ?? null;
  const space = new Uint8Array(Math.max(1, Math.min(left, PIECE_BYTES)));
  const n = await reader.read(space);
  return n === null ? null : space.subarray(0, n);
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
    for (let moved = 0;;) {
      throwIfAborted(signal);
      const bytes = await nextOf(reader, length - moved);
      if (bytes === null && moved === length) break;
      if (bytes === null) throw new FerryError("Changed", "it changed while it was read; try again");
      moved += bytes.length;
      onProgress?.(moved, length);
      await unlessAborted(writer.write(bytes), either);
    }
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
