import type { FileMetadata } from "../core/metadata.ts";
import { cannot } from "../core/errors.ts";
import type { Client } from "./client.ts";
import type { Direction, Pair } from "./copy.ts";
import { keptBytes } from "./download.ts";
import type { Link } from "./link.ts";
import { on } from "./local.ts";
import type { TransferOptions } from "./command_options.ts";
import type { PartsSender } from "./upload.ts";

/** A smaller file is not worth being split, in bytes. */
const MIN_SPLIT_BYTES = 64 * 1024 * 1024;

/** The smallest range, in bytes; smaller ones would cost more round trips than they save. */
const MIN_RANGE_BYTES = 16 * 1024 * 1024;

/** Ranges per connection, so that a fast connection can take over from a slow one. */
const RANGES_PER_LINK = 4;

/** Options of a transfer over several connections. */
interface RangeOptions extends TransferOptions {
  /** How often in a row a lost connection is made again. */
  readonly retries?: number | undefined;
}

interface Range {
  readonly offset: number;
  readonly end: number;
}

/** Deals the bytes from `offset` to `size` out to the connections, a range at a time, in order. */
async function deal(
  links: readonly Link[],
  [offset, size]: [number, number],
  { signal, onProgress, retries }: RangeOptions,
  transfer: (client: Client, range: Range, onProgress: (moved: number) => void) => Promise<void>,
): Promise<void> {
  const length = Math.max(MIN_RANGE_BYTES, Math.ceil((size - offset) / (links.length * RANGES_PER_LINK)));
  let next = offset;
  let moved = offset;
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const work = async (link: Link) => {
    while (next < size) {
      const range = { offset: next, end: Math.min(size, next + length) };
      next = range.end;
      let counted = 0;
      await link.run((client, progressed) =>
        transfer(client, range, (bytes) => {
          if (bytes > counted) progressed();
          moved += bytes - counted;
          counted = bytes;
          onProgress?.(moved, size);
        }), { signal: either, retries });
    }
  };
  try {
    await Promise.all(links.map(work));
  } catch (error) {
    stop.abort();
    throw error;
  }
}

/** Downloads one large file. It appears under its name when all ranges are there. */
async function getInRanges(
  links: readonly Link[],
  { path, file }: Pair,
  metadata: FileMetadata,
  client: Client,
  options: RangeOptions,
): Promise<void> {
  const { overwrite, durable, signal, resume = true } = options;
  const { size, mtimeMs, version } = metadata;
  const kept = resume && await keptBytes(file) > 0;
  const { upload, start } = kept ? await client.resumeDownload(path, file, options) : {
    upload: await on("write", file.shown, () => file.storage.upload(file.name, { size, mtimeMs, overwrite, durable })),
    start: { offset: 0, version },
  };
  try {
    await deal(links, [start.offset, size], options, (client, { offset, end }, onProgress) => {
      const range = { offset, length: end - offset, version: start.version };
      return client.getPart(path, file.shown, upload, range, { signal, onProgress: (n) => onProgress(n - offset) });
    });
    await on("write", file.shown, () => upload.commit());
  } catch (error) {
    await upload.abort();
    throw cannot("get", path, error);
  }
}

/**
 * Transfers one file over several connections when it is large enough for that, and over `client` alone when not.
 *
 * @param client The connection that begins and ends an upload.
 * @param links The connections that carry the data.
 */
export async function transferInRanges(
  client: Client,
  links: readonly Link[],
  direction: Direction,
  pair: Pair,
  options: RangeOptions,
): Promise<void> {
  const { path, file } = pair;
  const metadata = direction === "get"
    ? await client.stat(path, options)
    : await on("read", file.shown, () => file.storage.stat(file.name));
  const isSplit = metadata.kind === "file" && metadata.size >= MIN_SPLIT_BYTES;
  if (direction === "get") {
    if (isSplit) await getInRanges(links, pair, metadata, client, options);
    else await client.get(path, file, options);
    return;
  }
  const sendParts: PartsSender = (upload, offset, over) => {
    const signal = options.signal ? AbortSignal.any([options.signal, over]) : over;
    return deal(
      links,
      [offset, metadata.size],
      { ...options, signal },
      (client, range, onProgress) => client.putPart(file, { upload, ...range, metadata }, { signal, onProgress }),
    );
  };
  const own = isSplit ? { ...options, onProgress: undefined, sendParts } : options;
  await client.put({ ...file, metadata }, path, own);
}
