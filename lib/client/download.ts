import { matchingBytes } from "../core/block_sums.ts";
import { decodeBlocks } from "../protocol/block_fields.ts";
import { MESSAGES } from "../protocol/codec.ts";
import type { FileMetadata } from "../core/metadata.ts";
import { cannot, FerryError } from "../core/errors.ts";
import type { Upload } from "../storage/storage.ts";
import type { Exchange } from "./exchange.ts";
import { type LocalFile, localTarget, on } from "./local.ts";
import type { TransferOptions } from "./command_options.ts";
import { ProtocolViolation, type Sink } from "./exchange_request.ts";
import { StreamTarget, type Target } from "./target.ts";

/** How often a download that was to go on begins again because the file has changed meanwhile. */
const MAX_RESTARTS = 3;

/** What a download begins with when an earlier one has left a part of the file. */
export interface Start {
  readonly offset: number;
  readonly version: string;
  /** How many bytes are wanted; all when absent. */
  readonly length?: number;
}

function fileTarget({ storage, name, shown }: LocalFile, options: TransferOptions, resumed?: Upload): Target {
  const { overwrite, durable } = options;
  let upload = resumed;
  return {
    name: shown,
    async begin({ size, mtimeMs }) {
      upload ??= await storage.upload(name, { size, mtimeMs, overwrite, durable });
    },
    write: (bytes) => upload?.write(bytes),
    commit: async () => await upload?.commit(),
    abort: async () => await upload?.abort(),
  };
}

/** Takes the answer to a `get`: `ready`, `data`…, `end`, in this order. */
class Receiver implements Sink {
  metadata: FileMetadata | undefined;
  readonly #target: Target;
  readonly #onProgress: TransferOptions["onProgress"];
  readonly #offset: number;
  readonly #length: number | undefined;
  /** How many bytes may come. */
  #expected = 0;
  #moved = 0;
  #ended = false;

  constructor(target: Target, start: Start | undefined, onProgress: TransferOptions["onProgress"]) {
    this.#target = target;
    this.#offset = start?.offset ?? 0;
    this.#length = start?.length;
    this.#onProgress = onProgress;
  }

  /** Whether all of it has arrived. */
  get complete(): boolean {
    return this.#ended && this.#moved === this.#expected;
  }

  ready(value: unknown): Promise<void> {
    if (this.metadata) throw new ProtocolViolation("BadRequest", "the server sent the size of the file twice");
    const metadata: FileMetadata = { kind: "file", ...MESSAGES.readyToSend(value, "ready") };
    this.metadata = metadata;
    this.#expected = this.#length ?? metadata.size - this.#offset;
    if (this.#offset + this.#expected > metadata.size) {
      throw new FerryError("Changed", "the file on the server has become shorter; try again");
    }
    return this.#begin(metadata);
  }

  async #begin(metadata: FileMetadata): Promise<void> {
    await on("write", this.#target.name, () => this.#target.begin(metadata));
    this.#onProgress?.(this.#offset, metadata.size);
  }

  data(bytes: Uint8Array): Promise<void> | void {
    if (!this.metadata) throw new ProtocolViolation("BadRequest", "the server sent data before the size of the file");
    if (this.#ended) throw new ProtocolViolation("BadRequest", "the server sent data after the end of the file");
    if (bytes.length > this.#expected - this.#moved) {
      throw new ProtocolViolation("BadRequest", "the server sent more than it had announced");
    }
    this.#moved += bytes.length;
    this.#onProgress?.(this.#offset + this.#moved, this.metadata.size);
    try {
      const writing = this.#target.write(bytes);
      return writing && on("write", this.#target.name, () => writing);
    } catch (error) {
      throw cannot("write", this.#target.name, error);
    }
  }

  end(size: number): void {
    if (!this.metadata || this.#ended) throw new ProtocolViolation("BadRequest", "the server sent the end of nothing");
    if (size !== this.#moved) throw new FerryError("Corrupt", `${this.#moved} bytes arrived of ${size}`);
    this.#ended = true;
  }
}

/** Asks for a file and pours it into a target. */
async function receive(
  pipeline: Exchange,
  path: string,
  target: Target,
  { signal, onProgress }: TransferOptions,
  start?: Start,
): Promise<FileMetadata> {
  const sink = new Receiver(target, start, onProgress);
  try {
    const { offset, length, version: ifVersion } = start ?? {};
    const request = { command: "get", path, offset, length, ifVersion } as const;
    await pipeline.request(request, { sink, signal });
    if (!sink.metadata || !sink.complete) throw new FerryError("Corrupt", "the server sent only a part of it");
    await on("write", target.name, () => target.commit());
    return sink.metadata;
  } catch (error) {
    await target.abort(error);
    throw cannot("get", path, error);
  }
}

/** Downloads a part of a file into a part of an upload that is open already. */
export async function downloadPart(
  pipeline: Exchange,
  path: string,
  shown: string,
  upload: Upload,
  start: Start,
  options: TransferOptions,
): Promise<void> {
  const part = await upload.openPart?.(start.offset);
  if (!part) throw new TypeError("the upload takes no parts");
  try {
    await receive(
      pipeline,
      path,
      {
        name: shown,
        begin: () => Promise.resolve(),
        write: (bytes) => part.write(bytes),
        commit: async () => await part.finish(),
        abort: () => Promise.resolve(),
      },
      options,
      start,
    );
  } finally {
    part.close();
  }
}

/** How many bytes an earlier download has left. */
export function keptBytes({ storage, name, shown }: LocalFile): Promise<number> {
  return on("write", shown, () => storage.keptBytes(name));
}

/** Opens what an earlier download has left, and finds out how much of it is the beginning of the file as it is now. */
export async function resumeDownload(
  pipeline: Exchange,
  path: string,
  local: LocalFile,
  { signal, overwrite, durable }: TransferOptions,
): Promise<{ upload: Upload; start: Start }> {
  const { storage, name, shown } = local;
  const length = await keptBytes(local);
  const request = { command: "blocks", path, length } as const;
  const { size, mtimeMs, version, ...fields } = await pipeline.request(request, { signal });
  const theirs = decodeBlocks(fields);
  return await on("write", shown, async () => {
    const options = { size, mtimeMs, overwrite, durable };
    const { sums, state: kept } = await storage.offer(name, { ...options, signal });
    const offset = matchingBytes(sums, theirs);
    const upload = await storage.upload(name, { ...options, offset, kept });
    return { upload, start: { offset, version } };
  });
}

async function downloadToFile(
  pipeline: Exchange,
  path: string,
  local: LocalFile,
  options: TransferOptions,
): Promise<FileMetadata> {
  const { resume: mayResume = true } = options;
  for (let i = 0; mayResume && i < MAX_RESTARTS && await keptBytes(local) > 0; i++) {
    try {
      const { upload, start } = await resumeDownload(pipeline, path, local, options);
      return await receive(pipeline, path, fileTarget(local, options, upload), options, start);
    } catch (error) {
      if (!(error instanceof FerryError && error.code === "Changed")) throw error;
    }
  }
  return await receive(pipeline, path, fileTarget(local, options), options);
}

/** Downloads one file; see `Client.get`. */
export async function download(
  pipeline: Exchange,
  path: string,
  to: string | LocalFile | WritableStream<Uint8Array>,
  options: TransferOptions,
): Promise<FileMetadata> {
  if (to instanceof WritableStream) {
    return await receive(pipeline, path, new StreamTarget(to, pipeline, options.signal), options);
  }
  return await downloadToFile(pipeline, path, typeof to === "string" ? localTarget(to) : to, options);
}
