import type { Connection } from "../transport/connection.ts";
import { NO_BLOCKS } from "../core/block_sums.ts";
import { encodeBlocks } from "../protocol/block_fields.ts";
import type { Entry } from "../core/metadata.ts";
import type { CommandName, OkOf, Request, RequestOf, Right } from "../protocol/commands.ts";
import { FerryError } from "../core/errors.ts";
import { FrameKind } from "../protocol/frames.ts";
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES } from "../protocol/constants.ts";
import { parseRemotePath, type RemotePath, ROOT } from "../core/remote_path.ts";
import type { Storage, Upload, UploadOptions } from "../storage/storage.ts";
import type { RequestBody } from "./request_body.ts";
import type { Limits } from "../access/limits.ts";
import { authorize } from "../access/policy.ts";

/** An upload that its owner's other connections may add parts to. */
export interface SharedUpload {
  readonly upload: Upload;
  readonly owner: string;
}

/** What a handler may use to answer one request. */
export interface Context {
  readonly storage: Storage;
  /** What the session may do. */
  readonly rights: readonly Right[];
  /** Whose uploads the session's are; see `UploadOptions.owner`. */
  readonly owner: string;
  readonly limits: Limits;
  /** Whether every upload is synced to the disk. */
  readonly durable: boolean;
  readonly connection: Connection;
  /** Aborted when the client cancels or goes away. */
  readonly signal: AbortSignal;
  /** The body that follows the request, for the commands that have one. */
  readonly body: RequestBody;
  /** Uploads of this server that other connections may add parts to, by the name that they were given. */
  readonly shared: Map<string, SharedUpload>;
  /** Counts bytes of file content for the log. */
  moved(bytes: number): void;
  /** Shows a line to the operator. */
  say(text: string): void;
}

type Handlers = { [N in CommandName]: (context: Context, request: RequestOf<N>) => Promise<OkOf<N>> };

/** An entry's share of a JSON array is at most this, besides its path: punctuation, kind, size, time, mode, and a reason. */
const ENTRY_OVERHEAD_BYTES = 160;

/** The first entries of a listing are sent as soon as there are so many bytes of them, for who waits at a prompt. */
const FIRST_BATCH_BYTES = 8 * 1024;

/** A UTF-16 code unit takes at most this many bytes in JSON (`\u001f`). */
const JSON_BYTES_PER_UNIT = 6;

function parseOptional(path: string | undefined): RemotePath {
  return path === undefined ? ROOT : parseRemotePath(path);
}

async function dir({ storage, connection, signal }: Context, request: RequestOf<"dir">): Promise<OkOf<"dir">> {
  let entries = 0;
  let batch: Entry[] = [];
  let batchBytes = 0;
  for await (const entry of storage.list(parseOptional(request.path), { recursive: request.recursive, signal })) {
    signal.throwIfAborted();
    const bytes = entry.path.length * JSON_BYTES_PER_UNIT + ENTRY_OVERHEAD_BYTES;
    const isFirst = entries === batch.length;
    if (batchBytes + bytes > (isFirst ? FIRST_BATCH_BYTES : MAX_CONTROL_BYTES)) {
      await connection.send(FrameKind.entries, batch);
      if (isFirst) await connection.flush();
      batch = [];
      batchBytes = 0;
    }
    batch.push(entry);
    batchBytes += bytes;
    entries++;
  }
  if (batch.length > 0) await connection.send(FrameKind.entries, batch);
  return { entries };
}

async function get(context: Context, { path, offset, length, ifVersion }: RequestOf<"get">): Promise<OkOf<"get">> {
  const { storage, connection, signal } = context;
  const reader = await storage.read(parseRemotePath(path), { offset, length, ifVersion });
  try {
    const { size, mtimeMs, mode, version } = reader.metadata;
    await connection.send(FrameKind.ready, { size, mtimeMs, mode, version });
    for (let sent = 0;;) {
      signal.throwIfAborted();
      const wanted = Math.min(MAX_DATA_BYTES, reader.length - sent);
      const n = await connection.sendData(wanted, (space) => reader.read(space));
      if (n === null) {
        await connection.send(FrameKind.end, { size: sent });
        return {};
      }
      sent += n;
      context.moved(n);
    }
  } finally {
    reader.close();
  }
}

/** Has the storage take, or look at, the upload that a request is about, within what the session may do and use. */
async function toStore<T>(
  context: Context,
  request: RequestOf<"put"> | RequestOf<"offer">,
  store: (path: RemotePath, options: UploadOptions) => Promise<T>,
): Promise<T> {
  const { rights, owner, limits: { fileBytes: maxSize, keepFreeBytes: keepFree, depth: maxDepth } } = context;
  const overwrite = request.overwrite !== false && rights.includes("overwrite");
  try {
    const wholeBlocks = !rights.includes("read");
    const options = { size: request.size, overwrite, owner, wholeBlocks, maxSize, keepFree, maxDepth };
    return await store(parseRemotePath(request.path), options);
  } catch (error) {
    const exists = error instanceof FerryError && error.code === "AlreadyExists";
    if (!exists || request.overwrite === false) throw error;
    throw new FerryError("AlreadyExists", "it exists already, and you may not replace files here");
  }
}

async function offer(context: Context, request: RequestOf<"offer">): Promise<OkOf<"offer">> {
  const { storage, signal } = context;
  const { sums, state } = await toStore(
    context,
    request,
    async (path, options) => await storage.offer?.(path, { ...options, signal }) ?? { sums: NO_BLOCKS, state: "" },
  );
  return { ...encodeBlocks(sums), kept: state };
}

async function put(context: Context, request: RequestOf<"put">): Promise<OkOf<"put">> {
  const { connection, shared, owner } = context;
  const { mtimeMs, mode, offset, kept } = request;
  const durable = request.durable || context.durable;
  const upload = await toStore(
    context,
    request,
    (path, options) => context.storage.upload(path, { ...options, mtimeMs, mode, durable, offset, kept }),
  );
  const name = request.shared ? crypto.randomUUID() : undefined;
  try {
    if (name !== undefined) {
      shared.set(name, { upload, owner });
      await connection.send(FrameKind.ready, { upload: name });
    }
    await pour(context, (bytes) => upload.write(bytes));
    return await upload.commit();
  } finally {
    if (name !== undefined) shared.delete(name);
    await upload.abort();
  }
}

async function part(context: Context, { upload: name, offset }: RequestOf<"part">): Promise<OkOf<"part">> {
  const { upload, owner } = context.shared.get(name) ?? {};
  if (!upload || owner !== context.owner) throw new FerryError("NotFound", "the upload has ended");
  const target = await upload.openPart?.(offset);
  if (!target) throw new FerryError("Unsupported", "files are not taken in parts here");
  try {
    const size = await pour(context, (bytes) => target.write(bytes));
    await target.finish();
    return { size };
  } finally {
    target.close();
  }
}

/** Takes a body to its end. @returns Its size in bytes. */
async function pour({ body, moved }: Context, write: (bytes: Uint8Array) => Promise<void> | void): Promise<number> {
  for (let size = 0;;) {
    const bytes = await body.next();
    if (bytes === null) return size;
    const writing = write(bytes);
    if (writing) await writing;
    size += bytes.length;
    moved(bytes.length);
  }
}

/** How each command is answered: the handler returns the fields of the `ok` reply, or throws. */
const HANDLERS: Handlers = {
  dir,
  get,
  put,
  offer,
  part,
  stat: ({ storage }, { path }) => storage.stat(parseOptional(path)),
  async blocks({ storage, signal }, { path, length }) {
    const { sums, metadata: { size, mtimeMs, version } } = await storage.blocks(parseRemotePath(path), {
      length,
      signal,
    });
    return { ...encodeBlocks(sums), size, mtimeMs, version };
  },
  sum: ({ storage, signal }, { path }) => storage.digest(parseRemotePath(path), { signal }),
  async mkdir({ storage, limits }, { path, parents, mode }) {
    await storage.mkdir(parseRemotePath(path), { parents, mode, maxDepth: limits.depth });
    return {};
  },
  async set({ storage, signal }, { path, mtimeMs, mode }) {
    if (!storage.setMetadata) throw new FerryError("Unsupported", "times and permission bits cannot be set here");
    await storage.setMetadata(parseRemotePath(path), { mtimeMs, mode }, { signal });
    return {};
  },
  async rename({ storage, limits, signal }, { path, to }) {
    await storage.rename(parseRemotePath(path), parseRemotePath(to), { maxDepth: limits.depth, signal });
    return {};
  },
  async remove({ storage, signal }, { path, recursive }) {
    await storage.remove(parseRemotePath(path), { recursive, signal });
    return {};
  },
  async say({ say }, { text }) {
    if (text.length > MAX_SAY_LENGTH) {
      throw new FerryError("TooLarge", `a line has at most ${MAX_SAY_LENGTH} characters`);
    }
    say(text);
    return {};
  },
  close: () => Promise.resolve({}),
};

/**
 * Answers one request.
 *
 * @returns The fields of the `ok` reply.
 * @throws What the handler throws; `Refused` for a command that the session may not use.
 */
export function handle(context: Context, request: Request): Promise<unknown> {
  authorize(request.command, context.rights);
  const handler = HANDLERS[request.command] as (context: Context, request: Request) => Promise<unknown>;
  return handler(context, request);
}

/** The longest line that a client may send to the operator, in UTF-16 code units. */
const MAX_SAY_LENGTH = 4096;
