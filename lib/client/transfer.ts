import { MESSAGES } from "../protocol/codec.ts";
import type { FileFacts, Receipt } from "../protocol/commands.ts";
import { cannot, FerryError } from "../protocol/errors.ts";
import { MAX_DATA_BYTES } from "../protocol/limits.ts";
import type { Reader, Upload } from "../storage/storage.ts";
import type { PutOptions, TransferOptions } from "./client.ts";
import type { BodySender, Exchange, Sink } from "./exchange.ts";
import { localSource, localTarget } from "./local.ts";

/** A file up to this size is sent together with the request; for a larger one the server is asked first. */
const ASK_FIRST_BYTES = MAX_DATA_BYTES;

/** Runs a file operation; a failure says which local file it was. */
async function on<T>(verb: "read" | "write", path: string | undefined, operation: Promise<T> | T): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw cannot(verb, path, error);
  }
}

/** Where a download goes, whatever it is. */
interface Target {
  begin(facts: FileFacts): Promise<void>;
  write(bytes: Uint8Array): Promise<void> | void;
  commit(): Promise<void>;
  abort(error: unknown): Promise<void>;
}

function fileTarget(path: string, { overwrite }: TransferOptions): Target {
  const { storage, name } = localTarget(path);
  let upload: Upload | undefined;
  return {
    async begin({ size, mtimeMs }) {
      upload = await storage.upload(name, { size, mtimeMs, overwrite });
    },
    write: (bytes) => upload?.write(bytes),
    async commit() {
      await upload?.commit();
    },
    async abort() {
      await upload?.abort();
    },
  };
}

function streamTarget(stream: WritableStream<Uint8Array>): Target {
  const writer = stream.getWriter();
  return {
    begin: () => Promise.resolve(),
    write: (bytes) => writer.write(bytes.slice()),
    commit: () => writer.close(),
    abort: (error) => writer.abort(error).catch(() => {}),
  };
}

/** Downloads one file; see `Client.get`. */
export async function download(
  exchange: Exchange,
  path: string,
  to: string | WritableStream<Uint8Array>,
  options: TransferOptions,
): Promise<FileFacts> {
  const target = typeof to === "string" ? fileTarget(to, options) : streamTarget(to);
  const name = typeof to === "string" ? to : undefined;
  let facts: FileFacts | undefined;
  let moved = 0;
  let complete = false;
  const sink = {
    async ready(value: unknown) {
      facts = { kind: "file", ...MESSAGES.readyToSend(value, "ready") };
      await on("write", name, target.begin(facts));
      options.onProgress?.(0, facts.size);
    },
    data(bytes: Uint8Array) {
      if (!facts) throw new FerryError("BadRequest", "the server sent data before the size of the file");
      moved += bytes.length;
      options.onProgress?.(moved, facts.size);
      try {
        const writing = target.write(bytes);
        return writing && on("write", name, writing);
      } catch (error) {
        throw cannot("write", name, error);
      }
    },
    end(size: number) {
      complete = size === moved && size === facts?.size;
    },
  };
  try {
    await exchange.request({ command: "get", path }, { sink, signal: options.signal });
    if (!facts || !complete) throw cannot("get", path, new FerryError("Corrupt", "the server sent only a part of it"));
    await on("write", name, target.commit());
    return facts;
  } catch (error) {
    await target.abort(error);
    throw error;
  }
}

function readerBody(reader: Reader, from: string, { onProgress }: TransferOptions): BodySender {
  return async (connection, request) => {
    let moved = 0;
    while (!request.settled) {
      const wanted = Math.min(MAX_DATA_BYTES, reader.length - moved);
      const n = await connection.sendData(wanted, (space) => on("read", from, reader.read(space)));
      if (n === null) break;
      moved += n;
      onProgress?.(moved, reader.length);
    }
    return moved;
  };
}

function streamBody(stream: ReadableStream<Uint8Array>, { onProgress }: TransferOptions): BodySender {
  return async (connection, request) => {
    let moved = 0;
    for await (const chunk of stream) {
      for (let start = 0; start < chunk.length && !request.settled; start += MAX_DATA_BYTES) {
        const piece = chunk.subarray(start, start + MAX_DATA_BYTES);
        await connection.sendData(piece.length, (space) => {
          space.set(piece);
          return piece.length;
        });
        moved += piece.length;
        onProgress?.(moved, undefined);
      }
      if (request.settled) break;
    }
    return moved;
  };
}

/** Sends nothing before the server has agreed; see `wait` in the command table. */
function afterConsent(body: BodySender): { sink: Sink; body: BodySender } {
  const { promise: consent, resolve } = Promise.withResolvers<void>();
  return {
    sink: { ready: () => resolve() },
    async body(connection, request) {
      await Promise.race([consent, request.settling]);
      return request.settled ? 0 : await body(connection, request);
    },
  };
}

/** Uploads one file or stream; see `Client.put`. */
export async function upload(
  exchange: Exchange,
  from: string | ReadableStream<Uint8Array>,
  path: string,
  options: PutOptions,
): Promise<Receipt> {
  const { overwrite, mtimeMs, signal } = options;
  const send = (facts: { size?: number; mtimeMs?: number | undefined }, wait: boolean, body: BodySender) =>
    exchange.request(
      { command: "put", path, overwrite, wait, ...facts },
      { signal, ...(wait ? afterConsent(body) : { body }) },
    );
  if (typeof from !== "string") return await send({ mtimeMs }, true, streamBody(from, options));
  const { storage, name } = localSource(from);
  const reader = await on("read", from, storage.read(name));
  try {
    const { size, mtimeMs: ownTime } = reader.facts;
    return await send({ size, mtimeMs: mtimeMs ?? ownTime }, size > ASK_FIRST_BYTES, readerBody(reader, from, options));
  } finally {
    reader.close();
  }
}
