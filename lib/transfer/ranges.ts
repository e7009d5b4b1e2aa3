import { FerryError, hasCode } from "../core/errors.ts";
import { eitherSignal } from "../core/unless_aborted.ts";
import type { Reader, Upload, UploadPart } from "../storage/storage.ts";
import type { ContentOptions } from "./content_options.ts";
import { type Blame, failureOf, type Place } from "./place.ts";
import { pump } from "./pump.ts";
import type { Attempts } from "./retry.ts";

/** A smaller file is not worth being split, in bytes. */
export const MIN_SPLIT_BYTES = 64 * 1024 * 1024;

/** The smallest range, in bytes; smaller ones would cost more round trips than they save. */
const MIN_RANGE_BYTES = 16 * 1024 * 1024;

/** Ranges per connection, so that a fast connection can take over from a slow one. */
const RANGES_PER_CONNECTION = 4;

/** The part of a file that is still to be transferred. */
export interface Rest {
  readonly offset: number;
  /** The size of the whole file. */
  readonly size: number;
  readonly version: string;
}

/** Deals what is left of a file out to as many workers as there are connections, a range at a time, in order. */
export async function copyRanges(
  source: Place,
  target: Place,
  upload: Upload,
  { offset, size, version }: Rest,
  options: ContentOptions,
): Promise<void> {
  const { connections = 1, retry, signal, onProgress } = options;
  const length = Math.max(MIN_RANGE_BYTES, Math.ceil((size - offset) / (connections * RANGES_PER_CONNECTION)));
  const stop = new AbortController();
  const either = eitherSignal(signal, stop.signal);
  let failure: { readonly reason: unknown } | undefined;
  let next = offset;
  let moved = offset;
  onProgress?.(moved, size);
  const work = async () => {
    while (next < size && !failure) {
      const range = { offset: next, length: Math.min(length, size - next), ifVersion: version, signal: either };
      next += range.length;
      let counted = 0;
      const copy = (attempts?: Attempts) =>
        copyRange(source, target, upload, range, options, (bytes) => {
          if (bytes > counted) attempts?.progressed();
          moved += bytes - counted;
          counted = bytes;
          onProgress?.(moved, size);
        });
      await (retry ? retry.run(copy, either) : copy());
    }
  };
  const fail = (reason: unknown) => {
    failure ??= { reason };
    stop.abort();
  };
  void upload.failure?.then(fail);
  await Promise.all(Array.from({ length: connections }, () => work().catch(fail)));
  if (failure) throw failure.reason;
}

/** A part whose upload is gone: the connection that held it was lost. */
function whyPartFailed(error: unknown): unknown {
  return hasCode(error, "NotFound") ? new FerryError("Disconnected", "the upload has ended", { cause: error }) : error;
}

/** Copies one range into a part of an upload. */
async function copyRange(
  source: Place,
  target: Place,
  upload: Upload,
  range: { readonly offset: number; readonly length: number; readonly ifVersion: string; readonly signal: AbortSignal },
  { verb = "copy" }: ContentOptions,
  onMoved: (bytes: number) => void,
): Promise<void> {
  const blame: Blame = { isSource: true };
  let reader: Reader | undefined;
  let part: UploadPart | undefined;
  try {
    reader = await source.storage.read(source.path, range);
    if (reader.length !== range.length) throw new FerryError("Changed", "it has become shorter; try again");
    blame.isSource = false;
    part = await upload.openPart?.(range.offset);
    if (!part) throw new TypeError("the upload takes no parts");
    await pump(reader, part, { blame, signal: range.signal, onMoved });
    blame.isSource = false;
    await part.finish();
  } catch (error) {
    const { isSource } = blame;
    throw failureOf(isSource ? error : whyPartFailed(error), blame, isSource ? source.shown : target.shown, verb);
  } finally {
    part?.close();
    reader?.close();
  }
}
