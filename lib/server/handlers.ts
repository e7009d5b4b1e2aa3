import type { Connection } from "../transport/connection.ts";
import { fitsBlocks, MIN_BLOCK_BYTES, NO_BLOCKS } from "../core/block_sums.ts";
import { encodeBlocks } from "../protocol/block_fields.ts";
import type { Entry } from "../core/metadata.ts";
import type { CommandName, OkOf, RequestOf } from "../protocol/commands.ts";
import { FerryError } from "../core/errors.ts";
import { FrameKind } from "../protocol/frames.ts";
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES } from "../protocol/constants.ts";
import { parseRemotePath, type RemotePath, ROOT } from "../core/remote_path.ts";
import type { ByteSink } from "../storage/storage.ts";
import type { AuthorizedStorage } from "../access/authorized_storage.ts";
import type { RequestBody } from "./request_body.ts";

/** What a handler may use to answer one request. */
export interface Context {
  /** What is served, as the session may use it. */
  readonly storage: AuthorizedStorage;
  readonly connection: Connection;
  /** Aborted when the client gives the request up or goes away. */
  readonly signal: AbortSignal;
  /** The body that follows the request, for the commands that have one. */
  readonly body: RequestBody;
  /** Shows a line to the operator. */
  say(text: string): void;
}

/** Gives the fields of the `ok` that answers command `N`, if it has any. */
type Handler<N extends CommandName> = (
  context: Context,
  request: RequestOf<N>,
) => Promise<keyof OkOf<N> extends never ? void : OkOf<N>>;

/** The most that an entry takes in a JSON array, besides its texts. */
const ENTRY_OVERHEAD_BYTES = 160;

/** The first entries of a listing are sent once there are this many bytes, since somebody may wait at a prompt. */
const FIRST_BATCH_BYTES = 8 * 1024;

/** The longest line that a client may send to the operator, in UTF-16 code units. */
const MAX_SAY_LENGTH = 4096;

/** A UTF-16 code unit takes at most this many bytes in JSON (`\u001f`). */
const JSON_BYTES_PER_UNIT = 6;

function parseOptional(path: string | undefined): RemotePath {
  return path === undefined ? ROOT : parseRemotePath(path);
}

/** Takes a body to its end. @returns Its size in bytes. */
async function pour(body: RequestBody, sink: ByteSink): Promise<number> {
  for (let size = 0;;) {
    const bytes = await body.next();
    if (bytes === null) return size;
    const writing = sink.write(bytes);
    if (writing) await writing;
    size += bytes.length;
  }
}

const HANDLERS: { [N in CommandName]: Handler<N> } = {
  async dir({ storage, connection, signal }, { path, recursive }) {
    let entries = 0;
    let batch: Entry[] = [];
    let batchBytes = 0;
    try {
      for await (const entry of storage.list(parseOptional(path), { recursive, signal })) {
        signal.throwIfAborted();
        const textLength = entry.path.length + (entry.reason?.length ?? 0);
        const bytes = textLength * JSON_BYTES_PER_UNIT + ENTRY_OVERHEAD_BYTES;
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
    } finally {
      // What was listed counts, also when something else could not be.
      if (batch.length > 0 && !signal.aborted) await connection.send(FrameKind.entries, batch);
    }
    return { entries };
  },

  stat: ({ storage, signal }, { path }) => storage.stat(parseOptional(path), { signal }),

  async get({ storage, connection, signal }, { path, offset, length, ifVersion }) {
    const reader = await storage.read(parseRemotePath(path), { offset, length, ifVersion, signal });
    const fill = (space: Uint8Array) => reader.read(space);
    try {
      const { size, mtimeMs, mode, version } = reader.metadata;
      await connection.send(FrameKind.ready, { size, mtimeMs, mode, version });
      let sent = 0;
      for (let n: number | null = 0; n !== null; sent += n ?? 0) {
        signal.throwIfAborted();
        n = await connection.sendData(Math.min(MAX_DATA_BYTES, reader.length - sent), fill);
      }
      await connection.send(FrameKind.end, { size: sent });
    } catch (error) {
      reader.close(error);
      throw error;
    }
    reader.close();
  },

  async put({ storage, connection, body, signal }, request) {
    const { path, size, mtimeMs, mode, overwrite, durable, shared: inParts, offset, kept } = request;
    const name = inParts ? crypto.randomUUID() : undefined;
    const options = { size, mtimeMs, mode, overwrite, durable, offset, kept, inParts, signal };
    const upload = await storage.upload(parseRemotePath(path), options, name);
    try {
      if (name !== undefined) await connection.send(FrameKind.ready, { upload: name });
      await pour(body, upload);
      return await upload.commit();
    } catch (error) {
      // On a full disk this may fail, too; what matters is why the upload failed.
      await upload.abort(error).catch(() => {});
      throw error;
    }
  },

  async offer({ storage, signal }, { path, size, overwrite }) {
    const target = parseRemotePath(path);
    const kept = await storage.offer?.(target, { size, overwrite, signal });
    return { ...encodeBlocks(kept?.sums ?? NO_BLOCKS), kept: kept?.state ?? "" };
  },

  async part({ storage, body, signal }, { upload, offset }) {
    const target = await storage.openPart(upload, offset, { signal });
    try {
      const size = await pour(body, target);
      await target.finish();
      target.close();
      return { size };
    } catch (error) {
      target.close(error);
      throw error;
    }
  },

  sum: ({ storage, signal }, { path }) => storage.digest(parseRemotePath(path), { signal }),

  async blocks({ storage, signal }, { path, length, blockSize }) {
    if (blockSize !== undefined && (blockSize < MIN_BLOCK_BYTES || !fitsBlocks(length, blockSize))) {
      throw new FerryError("BadRequest", `blocks of ${blockSize} bytes are too small for ${length} bytes`);
    }
    const { sums, metadata } = await storage.blocks(parseRemotePath(path), { length, blockSize, signal });
    const { size, mtimeMs, version } = metadata;
    return { ...encodeBlocks(sums), size, mtimeMs, version };
  },

  mkdir: ({ storage, signal }, { path, parents, mode }) =>
    storage.mkdir(parseRemotePath(path), { parents, mode, signal }),

  async set({ storage, signal }, { path, mtimeMs, mode }) {
    if (!storage.setMetadata) throw new FerryError("Unsupported", "times and permission bits cannot be set here");
    await storage.setMetadata(parseRemotePath(path), { mtimeMs, mode }, { signal });
  },

  rename: ({ storage, signal }, { path, to }) => storage.rename(parseRemotePath(path), parseRemotePath(to), { signal }),

  remove: ({ storage, signal }, { path, recursive }) => storage.remove(parseRemotePath(path), { recursive, signal }),

  df({ storage, signal }) {
    if (!storage.space) throw new FerryError("Unsupported", "nobody knows how much space there is here");
    return storage.space({ signal });
  },

  async say({ say }, { text }) {
    if (text.length > MAX_SAY_LENGTH) {
      throw new FerryError("TooLarge", `a line has at most ${MAX_SAY_LENGTH} characters`);
    }
    say(text);
  },

  close: () => Promise.resolve(),
};

/**
 * Answers one request; gives the fields of the `ok`, if it has any.
 *
 * @throws What the handler throws; `Refused` for a command that the session may not use, whatever else is wrong with it.
 */
export function handle<N extends CommandName>(context: Context, request: RequestOf<N>): Promise<unknown> {
  context.storage.require(request.command);
  const handler: Handler<N> = HANDLERS[request.command];
  return handler(context, request);
}
