import { Bell } from "../protocol/bell.ts";
import { type BlockSums, decodeBlocks, matchingBytes } from "../protocol/blocks.ts";
import { MESSAGES } from "../protocol/codec.ts";
import type { FileFacts, Receipt } from "../protocol/commands.ts";
import { cannot, FerryError } from "../protocol/errors.ts";
import { FrameKind } from "../protocol/frames.ts";
import { MAX_DATA_BYTES } from "../protocol/limits.ts";
import type { Reader, ReadOptions } from "../storage/storage.ts";
import type { Connection } from "../net/connection.ts";
import type { Exchange } from "./exchange.ts";
import { type LocalFile, localSource, on } from "./local.ts";
import type { PutOptions, TransferOptions } from "./options.ts";
import type { BodySender, Exchanging, Sending } from "./pending.ts";

/** A file up to this size is sent together with the request; for a larger one the server is asked first. */
const ASK_FIRST_BYTES = MAX_DATA_BYTES;

/** What the server was told of the file. */
type Announced = Pick<FileFacts, "size" | "mtimeMs">;

/** What the server says before the body may come. */
interface Consent {
  /** What it has kept of an earlier attempt. */
  readonly kept?: BlockSums | undefined;
  /** The name under which other connections may send parts. */
  readonly upload?: string | undefined;
}

/** Gives the body, when the server has agreed; `next` waits for what it says after that. */
type BodyMaker = (consent: Consent, next: () => Promise<Consent>) => BodySender;

/** Sends the bytes from `offset` on through other connections, as parts of the upload of that name. */
export type PartsSender = (upload: string, offset: number) => Promise<void>;

/** How often a connection that waits in the middle of a body shows that it is alive, in ms. */
const ALIVE_INTERVAL_MS = 10_000;

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

/** Tells the server where the body begins: where its part of the file ends, as far as that is the same as ours. */
async function agree(
  connection: Connection,
  { storage, name, shown }: LocalFile,
  kept: BlockSums,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { covered: length, blockSize } = kept;
  const { sums } = await on("read", shown, () => storage.blocks(name, { length, blockSize, signal }));
  const offset = matchingBytes(sums, kept);
  await connection.send(FrameKind.ready, { offset });
  return offset;
}

/** Sends a file, or the rest of it. */
function fileBody(file: LocalFile, facts: Announced, options: UploadOptions): BodyMaker {
  return (consent, next) => async (connection, request) => {
    const { kept } = consent;
    const offset = kept ? await agree(connection, file, kept, options.signal) : 0;
    if (options.sendParts) {
      const { upload } = kept ? await next() : consent;
      return await sendAsParts([connection, request], upload, offset, options.sendParts);
    }
    return await sendRange([connection, request], file, facts, { offset }, offset, options.onProgress);
  };
}

/** Opens a range of a source that is still what the server was told, sends it, and closes it. */
async function sendRange(
  sending: Parameters<BodySender>,
  file: LocalFile,
  facts: Announced,
  range: ReadOptions,
  sent: number,
  onProgress: TransferOptions["onProgress"],
): Promise<number> {
  const reader = await openUnchanged(file, facts, range);
  try {
    return await sendRest(sending, reader, file.shown, sent, onProgress);
  } finally {
    reader.close();
  }
}

/** Opens a source that is still what the server was told. */
async function openUnchanged(
  { storage, name, shown }: LocalFile,
  facts: Announced,
  range: ReadOptions,
): Promise<Reader> {
  const reader = await on("read", shown, () => storage.read(name, range));
  if (reader.facts.size === facts.size && reader.facts.mtimeMs === facts.mtimeMs) return reader;
  reader.close();
  throw cannot("read", shown, new FerryError("Changed", "it has just changed; try again"));
}

/** Waits, and shows the server meanwhile that we are there. */
async function whileAlive<T>(connection: Connection, waiting: Promise<T>): Promise<T> {
  const alive = setInterval(() => void connection.sendData(0, () => 0).catch(() => {}), ALIVE_INTERVAL_MS);
  try {
    return await waiting;
  } finally {
    clearInterval(alive);
  }
}

/** Lets other connections send everything. */
async function sendAsParts(
  [connection, request]: Parameters<BodySender>,
  upload: string | undefined,
  offset: number,
  sendParts: PartsSender,
): Promise<number> {
  if (request.settled) return 0;
  if (upload === undefined) throw new FerryError("BadRequest", "the server gave the upload no name");
  await whileAlive(connection, sendParts(upload, offset));
  return 0;
}

/** A range of a file, and the upload that it belongs to. */
export interface PartOfUpload {
  /** The name that the server gave the upload. */
  readonly upload: string;
  readonly offset: number;
  readonly end: number;
  readonly facts: Announced;
}

/** Sends the bytes from `offset` to `end` as a part of an upload that another connection has begun. */
export async function uploadPart(
  exchange: Exchange,
  file: LocalFile,
  { upload, offset, end, facts }: PartOfUpload,
  { signal, onProgress }: TransferOptions,
): Promise<void> {
  const length = end - offset;
  const body: BodySender = (...sending) => sendRange(sending, file, facts, { offset, length }, 0, onProgress);
  const { size } = await exchange.request({ command: "part", upload, offset }, { signal, body });
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

/** Sends nothing before the server has agreed; see `wait` in the command table. */
function afterConsent(body: BodyMaker): Exchanging {
  const answers: Consent[] = [];
  const changed = new Bell();
  const next = async (request: Sending): Promise<Consent> => {
    while (answers.length === 0 && !request.settled) await Promise.race([changed.next, request.settling]);
    return answers.shift() ?? {};
  };
  return {
    sink: {
      ready(value) {
        const { kept, upload } = MESSAGES.readyToReceive(value, "ready");
        answers.push({ kept: kept && decodeBlocks(kept), upload });
        changed.ring();
      },
    },
    async body(connection, request) {
      const consent = await next(request);
      return request.settled ? 0 : await body(consent, () => next(request))(connection, request);
    },
  };
}

/** The receipt, if it is about what was sent. */
function checked(receipt: Receipt, path: string, size: number): Receipt {
  if (receipt.path === path && receipt.size === size) return receipt;
  throw cannot("put", path, new FerryError("Corrupt", "the server's receipt is about something else"));
}

async function uploadStream(
  exchange: Exchange,
  stream: ReadableStream<Uint8Array>,
  path: string,
  options: PutOptions,
): Promise<Receipt> {
  const { overwrite, durable, mtimeMs, signal } = options;
  const request = { command: "put", path, overwrite, durable, mtimeMs, wait: true } as const;
  let sent = 0;
  const body: BodySender = async (...args) => sent = await streamBody(stream, options)(...args);
  try {
    return checked(await exchange.request(request, { signal, ...afterConsent(() => body) }), path, sent);
  } finally {
    // The body was not asked for: whoever gave us the stream must know that it is not needed.
    if (!stream.locked) stream.cancel().catch(() => {});
  }
}

async function look({ storage, name, shown }: LocalFile): Promise<Announced> {
  const facts = await on("read", shown, () => storage.stat(name));
  if (facts.kind === "file") return facts;
  throw cannot("read", shown, new FerryError("IsADirectory", "it is a directory"));
}

/** Options of an upload, with one that only the library itself uses. */
export interface UploadOptions extends PutOptions {
  /** Has the file sent over other connections. */
  readonly sendParts?: PartsSender | undefined;
}

/** Uploads one file or stream; see `Client.put`. */
export async function upload(
  exchange: Exchange,
  from: string | LocalFile | ReadableStream<Uint8Array>,
  path: string,
  options: UploadOptions,
): Promise<Receipt> {
  if (from instanceof ReadableStream) return await uploadStream(exchange, from, path, options);
  const file = typeof from === "string" ? localSource(from) : from;
  const { overwrite, durable, signal, resume = true, sendParts } = options;
  const facts = file.facts ?? await look(file);
  const mtimeMs = options.mtimeMs ?? facts.mtimeMs;
  const request = { command: "put", path, overwrite, durable, size: facts.size, mtimeMs } as const;
  const body = fileBody(file, facts, options);
  const shared = sendParts !== undefined;
  const receipt = facts.size <= ASK_FIRST_BYTES && !shared
    ? await exchange.request(request, { signal, body: body({}, () => Promise.resolve({})) })
    : await exchange.request({ ...request, wait: true, resume, shared }, { signal, ...afterConsent(body) });
  return checked(receipt, path, facts.size);
}
