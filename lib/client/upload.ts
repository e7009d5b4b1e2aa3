import { matchingBytes } from "../core/block_sums.ts";
import { decodeBlocks } from "../protocol/block_fields.ts";
import { MESSAGES } from "../protocol/codec.ts";
import type { FileMetadata, Receipt } from "../core/metadata.ts";
import { cannot, FerryError } from "../core/errors.ts";
import { ALIVE_INTERVAL_MS, MAX_DATA_BYTES } from "../protocol/constants.ts";
import type { Reader, ReadOptions } from "../storage/storage.ts";
import type { Connection } from "../transport/connection.ts";
import type { Exchange } from "./exchange.ts";
import { type LocalFile, localSource, on } from "./local.ts";
import type { PutOptions, TransferOptions } from "./command_options.ts";
import { type BodySender, type Exchanging, ProtocolViolation } from "./exchange_request.ts";

/** A file up to this size is sent together with the request; for a larger one the server is asked first. */
const ASK_FIRST_BYTES = MAX_DATA_BYTES;

/** What the server was told of the file. */
type Announced = Pick<FileMetadata, "size" | "mtimeMs">;

/**
 * Sends the bytes from `offset` on through other connections, as parts of the upload of that name, and gives up when the
 * signal is aborted.
 */
export type PartsSender = (upload: string, offset: number, signal: AbortSignal) => Promise<void>;

/** Sends the rest of an open file. `sent` is how much of it the server has already. */
async function sendRest(
  [connection, request]: Parameters<BodySender>,
  reader: Reader,
  from: string,
  sent: number,
  onProgress: TransferOptions["onProgress"],
): Promise<number> {
  let moved = 0;
  while (!request.settled) {
    const wanted = Math.min(MAX_DATA_BYTES, reader.length - moved);
    const n = await connection.sendData(wanted, (space) => on("read", from, () => reader.read(space)));
    if (n === null) break;
    moved += n;
    onProgress?.(sent + moved, sent + reader.length);
  }
  return moved;
}

/** Where in the file the body begins, and with which state of what the server has kept; nothing for the whole file. */
interface Start {
  readonly offset?: number;
  readonly kept?: string;
}

/** Asks whether the server would take a file, and compares what it has kept of an earlier attempt. */
async function startOf(
  pipeline: Exchange,
  path: string,
  { storage, name, shown }: LocalFile,
  size: number,
  { overwrite, resume = true, signal }: UploadOptions,
): Promise<Start> {
  const request = { command: "offer", path, size, overwrite } as const;
  const { kept, ...fields } = await pipeline.request(request, { signal });
  const theirs = decodeBlocks(fields);
  const { covered: length, blockSize } = theirs;
  if (!resume || length === 0) return {};
  const { sums } = await on("read", shown, () => storage.blocks(name, { length, blockSize, signal }));
  const offset = matchingBytes(sums, theirs);
  return offset > 0 ? { offset, kept } : {};
}

/** Opens a range of a source that is still what the server was told, sends it, and closes it. */
async function sendRange(
  sending: Parameters<BodySender>,
  file: LocalFile,
  metadata: Announced,
  range: ReadOptions,
  sent: number,
  onProgress: TransferOptions["onProgress"],
): Promise<number> {
  const reader = await openUnchanged(file, metadata, range);
  try {
    return await sendRest(sending, reader, file.shown, sent, onProgress);
  } finally {
    reader.close();
  }
}

/** Opens a source that is still what the server was told. */
async function openUnchanged(
  { storage, name, shown }: LocalFile,
  metadata: Announced,
  range: ReadOptions,
): Promise<Reader> {
  const reader = await on("read", shown, () => storage.read(name, range));
  if (reader.metadata.size === metadata.size && reader.metadata.mtimeMs === metadata.mtimeMs) return reader;
  reader.close();
  throw cannot("read", shown, new FerryError("Changed", "it has just changed; try again"));
}

/** Waits, and shows the server meanwhile that we are there. */
async function whileAlive<T>(connection: Connection, waiting: Promise<T>): Promise<T> {
  const alive = setInterval(() => void connection.sendAlive().catch(() => {}), ALIVE_INTERVAL_MS);
  try {
    return await waiting;
  } finally {
    clearInterval(alive);
  }
}

/** Lets other connections send everything, as soon as the server has given the upload a name. */
function bodyInParts(sendParts: PartsSender, offset: number): Exchanging {
  const { promise: named, resolve } = Promise.withResolvers<string>();
  let isNamed = false;
  return {
    sink: {
      ready(value) {
        if (isNamed) throw new ProtocolViolation("BadRequest", "the server named the upload twice");
        isNamed = true;
        resolve(MESSAGES.readyToReceive(value, "ready").upload);
      },
    },
    async body(connection, request) {
      const upload = await Promise.race([named, request.settling]);
      if (upload === undefined || request.settled) return 0;
      const over = new AbortController();
      void request.settling.then(() => over.abort());
      await whileAlive(connection, sendParts(upload, offset, over.signal));
      return 0;
    },
  };
}

/** A range of a file, and the upload that it belongs to. */
export interface PartOfUpload {
  /** The name that the server gave the upload. */
  readonly upload: string;
  readonly offset: number;
  readonly end: number;
  readonly metadata: Announced;
}

/** Sends the bytes from `offset` to `end` as a part of an upload that another connection has begun. */
export async function uploadPart(
  pipeline: Exchange,
  file: LocalFile,
  { upload, offset, end, metadata }: PartOfUpload,
  { signal, onProgress }: TransferOptions,
): Promise<void> {
  const length = end - offset;
  const body: BodySender = (...sending) => sendRange(sending, file, metadata, { offset, length }, 0, onProgress);
  const { size } = await pipeline.request({ command: "part", upload, offset }, { signal, body });
  if (size !== length) throw new FerryError("Corrupt", "the server's receipt is about something else");
}

function streamBody(stream: ReadableStream<Uint8Array>, { onProgress }: TransferOptions): BodySender {
  return async (connection, request) => {
    const reader = stream.getReader();
    // A stream that stands still must not hold up a request that is over.
    void request.settling.then(() => reader.cancel()).catch(() => {});
    let moved = 0;
    for (;;) {
      const { value, done } = await whileAlive(connection, reader.read());
      if (done) return moved;
      for (let start = 0; start < value.length && !request.settled; start += MAX_DATA_BYTES) {
        const piece = value.subarray(start, start + MAX_DATA_BYTES);
        await connection.sendData(piece.length, (space) => {
          space.set(piece);
          return piece.length;
        });
        moved += piece.length;
        onProgress?.(moved, undefined);
      }
    }
  };
}

/** The receipt, if it is about what was sent. */
function checked(receipt: Receipt, path: string, size: number): Receipt {
  if (receipt.path === path && receipt.size === size) return receipt;
  throw cannot("put", path, new FerryError("Corrupt", "the server's receipt is about something else"));
}

async function uploadStream(
  pipeline: Exchange,
  stream: ReadableStream<Uint8Array>,
  path: string,
  options: PutOptions,
): Promise<Receipt> {
  const { overwrite, durable, mtimeMs, signal } = options;
  const request = { command: "put", path, overwrite, durable, mtimeMs } as const;
  let sent = 0;
  const body: BodySender = async (...args) => sent = await streamBody(stream, options)(...args);
  try {
    // What a stream gives is gone when the server does not take it.
    await pipeline.request({ command: "offer", path, overwrite }, { signal });
    return checked(await pipeline.request(request, { signal, body }), path, sent);
  } finally {
    // Nothing was taken from it: whoever gave us the stream must know that it is not needed.
    if (!stream.locked) stream.cancel().catch(() => {});
  }
}

async function look({ storage, name, shown }: LocalFile): Promise<Announced> {
  const metadata = await on("read", shown, () => storage.stat(name));
  if (metadata.kind === "file") return metadata;
  throw cannot("read", shown, new FerryError("IsADirectory", "it is a directory"));
}

/** Options of an upload, with one that only the library itself uses. */
export interface UploadOptions extends PutOptions {
  /** Has the file sent over other connections. */
  readonly sendParts?: PartsSender | undefined;
}

/** Uploads one file or stream; see `Client.put`. */
export async function upload(
  pipeline: Exchange,
  from: string | LocalFile | ReadableStream<Uint8Array>,
  path: string,
  options: UploadOptions,
): Promise<Receipt> {
  if (from instanceof ReadableStream) return await uploadStream(pipeline, from, path, options);
  const file = typeof from === "string" ? localSource(from) : from;
  const { overwrite, durable, signal, onProgress, sendParts } = options;
  const metadata = file.metadata ?? await look(file);
  const { size } = metadata;
  const mtimeMs = options.mtimeMs ?? metadata.mtimeMs;
  const asksFirst = size > ASK_FIRST_BYTES || sendParts !== undefined;
  const start = asksFirst ? await startOf(pipeline, path, file, size, options) : {};
  const { offset = 0 } = start;
  const request = { command: "put", path, overwrite, durable, size, mtimeMs, ...start } as const;
  const receipt = sendParts
    ? await pipeline.request({ ...request, shared: true }, { signal, ...bodyInParts(sendParts, offset) })
    : await pipeline.request(request, {
      signal,
      body: (...sending) => sendRange(sending, file, metadata, { offset }, offset, onProgress),
    });
  return checked(receipt, path, size);
}
