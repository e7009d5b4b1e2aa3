import type { Entry, Receipt } from "../../lib/core/metadata.ts";
import { parseRemotePath, type RemotePath, ROOT } from "../../lib/core/remote_path.ts";
import type {
  Kept,
  OfferOptions,
  Reader,
  ReadOptions,
  Storage,
  Upload,
  UploadOptions,
  UploadPart,
} from "../../lib/storage/storage.ts";
import { concat } from "./frames.ts";

/** The remote path for `text`; the empty text is the served directory. */
export function at(text: string): RemotePath {
  return text === "" ? ROOT : parseRemotePath(text);
}

/** Stores a file; a string becomes UTF-8. */
export async function store(
  storage: Storage,
  path: string,
  content: Uint8Array | string,
  options: UploadOptions = {},
): Promise<Receipt> {
  const upload = await storage.upload(at(path), options);
  try {
    await upload.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await upload.commit();
  } finally {
    await upload.abort();
  }
}

/** Reads what a reader still gives, at most `chunkBytes` at a time, and closes it. */
export async function drain(reader: Reader, chunkBytes = 64 * 1024): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  const chunk = new Uint8Array(chunkBytes);
  try {
    for (let n = await reader.read(chunk); n !== null; n = await reader.read(chunk)) parts.push(chunk.slice(0, n));
  } finally {
    reader.close();
  }
  return concat(...parts);
}

/** The content of a file, or of a part of it. */
export async function contentOf(
  storage: Storage,
  path: string,
  options: ReadOptions = {},
  chunkBytes?: number,
): Promise<Uint8Array<ArrayBuffer>> {
  return await drain(await storage.read(at(path), options), chunkBytes);
}

/** The content of a file as text. */
export async function textOf(storage: Storage, path: string): Promise<string> {
  return new TextDecoder().decode(await contentOf(storage, path));
}

/** The entries of a directory in the order in which they come. */
export async function entriesOf(storage: Storage, path = "", recursive = false): Promise<Entry[]> {
  return await Array.fromAsync(storage.list(at(path), { recursive }));
}

/** The paths of the entries of a directory in the order in which they come. */
export async function namesOf(storage: Storage, path = "", recursive = false): Promise<string[]> {
  return (await entriesOf(storage, path, recursive)).map((entry) => entry.path);
}

/** Opens a part of an upload in a place that takes parts. */
export async function partOf(upload: Upload, offset: number): Promise<UploadPart> {
  const part = await upload.openPart?.(offset);
  if (!part) throw new TypeError("the upload takes no parts");
  return part;
}

/** What a place that keeps parts of uploads has kept. */
export async function keptOf(storage: Storage, path: string, options: OfferOptions): Promise<Kept> {
  const kept = await storage.offer?.(at(path), options);
  if (!kept) throw new TypeError("the place keeps nothing");
  return kept;
}

/** `storage` with some of its operations replaced. */
export function replacing(storage: Storage, operations: Partial<Storage>): Storage {
  return new Proxy(storage, {
    get(target, key) {
      const replaced: unknown = Reflect.get(operations, key);
      if (replaced !== undefined) return replaced;
      const own: unknown = Reflect.get(target, key);
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}

/** All names in a directory on disk, also hidden ones. */
export function namesOnDisk(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
}
