import { type BlockSums, decodeBlocks, matchingBytes } from "../protocol/blocks.ts";
import { MESSAGES } from "../protocol/codec.ts";
import type { FileFacts, Receipt } from "../protocol/commands.ts";
import { cannot, FerryError } from "../protocol/errors.ts";
import { FrameKind } from "../protocol/frames.ts";
import { MAX_DATA_BYTES } from "../protocol/limits.ts";
import type { Reader } from "../storage/storage.ts";
import type { BodySender, Exchange, Exchanging } from "./exchange.ts";
import { type LocalFile, localSource, on } from "./local.ts";
import type { PutOptions, TransferOptions } from "./options.ts";

/** A file up to this size is sent together with the request; for a larger one the server is asked first. */
const ASK_FIRST_BYTES = MAX_DATA_BYTES;

/** What the server was told of the file. */
type Announced = Pick<FileFacts, "size" | "mtimeMs">;

/** Gives the body, when the server has said what it has kept of an earlier attempt. */
type BodyMaker = (kept: BlockSums | undefined) => BodySender;

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

/** Sends a file, from where the server's part of it ends, as far as that is the same as ours. */
function fileBody({ storage, name, shown }: LocalFile, facts: Announced, options: TransferOptions): BodyMaker {
  return (kept) => async (connection, request) => {
    let offset = 0;
    if (kept) {
      const wanted = { length: kept.covered, blockSize: kept.blockSize, signal: options.signal };
      const { sums } = await on("read", shown, () => storage.blocks(name, wanted));
      offset = matchingBytes(sums, kept);
      await connection.send(FrameKind.ready, { offset });
    }
    const reader = await on("read", shown, () => storage.read(name, { offset }));
    try {
      if (reader.facts.size !== facts.size || reader.facts.mtimeMs !== facts.mtimeMs) {
        throw cannot("read", shown, new FerryError("Changed", "it has just changed; try again"));
      }
      return await sendRest([connection, request], reader, shown, offset, options.onProgress);
    } finally {
      reader.close();
    }
  };
}

function streamBody(stream: ReadableStream<Uint8Array>, { onProgress }: TransferOptions): BodySender {
  return async (connection, request) => {
    const reader = stream.getReader();
    // A stream that stands still must not hold up a request that is over.
    void request.settling.then(() => reader.cancel()).catch(() => {});
    let moved = 0;
    for (;;) {
      const { value, done } = await reader.read();
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
  const { promise: consent, resolve } = Promise.withResolvers<BlockSums | undefined>();
  return {
    sink: {
      ready(value) {
        const { kept } = MESSAGES.readyToReceive(value, "ready");
        resolve(kept && decodeBlocks(kept));
      },
    },
    async body(connection, request) {
      const kept = await Promise.race([consent, request.settling]);
      return request.settled ? 0 : await body(kept ?? undefined)(connection, request);
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

/** Uploads one file or stream; see `Client.put`. */
export async function upload(
  exchange: Exchange,
  from: string | LocalFile | ReadableStream<Uint8Array>,
  path: string,
  options: PutOptions,
): Promise<Receipt> {
  if (from instanceof ReadableStream) return await uploadStream(exchange, from, path, options);
  const file = typeof from === "string" ? localSource(from) : from;
  const { overwrite, durable, signal, resume = true } = options;
  const facts = file.facts ?? await look(file);
  const mtimeMs = options.mtimeMs ?? facts.mtimeMs;
  const request = { command: "put", path, overwrite, durable, size: facts.size, mtimeMs } as const;
  const body = fileBody(file, facts, options);
  const receipt = facts.size <= ASK_FIRST_BYTES
    ? await exchange.request(request, { signal, body: body(undefined) })
    : await exchange.request({ ...request, wait: true, resume }, { signal, ...afterConsent(body) });
  return checked(receipt, path, facts.size);
}
