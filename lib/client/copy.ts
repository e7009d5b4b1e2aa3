import { cannot, FerryError } from "../core/errors.ts";
import { MAX_DATA_BYTES } from "../protocol/constants.ts";
import type { Client } from "./client.ts";
import { type LocalFile, on } from "./local.ts";
import type { TransferOptions } from "./command_options.ts";

/** Which way a file goes. */
export type Direction = "get" | "put";

/** What became of a file: it was transferred, was not needed, or would have been transferred. */
export type Outcome = "done" | "skipped" | "planned";

/** How to transfer files that may be there already. */
export interface CopyOptions extends TransferOptions {
  /** Skip a file that has the same size and time of change on both sides. */
  readonly update?: boolean | undefined;
  /** Skip a file that has the same content on both sides. */
  readonly checksum?: boolean | undefined;
  /** Say what would be transferred, and transfer nothing. */
  readonly dryRun?: boolean | undefined;
  /** An earlier attempt was cut off and may have succeeded all the same. */
  readonly isRepeated?: boolean | undefined;
  /** Transfers the file in another way than over the one connection. */
  readonly transfer?: ((client: Client) => Promise<unknown>) | undefined;
  /** Compare the SHA-256 of both files afterwards, read back from the disk. */
  readonly verify?: boolean | undefined;
}

/** One file on both sides. */
export interface Pair {
  /** The path on the server. */
  readonly path: string;
  readonly file: LocalFile;
  /** What is known of the source; it is looked at when that is necessary. */
  readonly metadata?: Known;
}

interface Known {
  readonly size: number;
  readonly mtimeMs: number;
}

/** What `look` finds, or undefined when there is nothing. */
export async function ifThere<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look;
  } catch (error) {
    if (error instanceof FerryError && error.code === "NotFound") return undefined;
    throw error;
  }
}

async function haveSameContent(client: Client, { path, file }: Pair, signal?: AbortSignal): Promise<boolean> {
  const [there, here] = await Promise.all([
    client.sum(path, { signal }),
    on("read", file.shown, () => file.storage.digest(file.name, { signal })),
  ]);
  return there.sha256 === here.sha256;
}

/** Whether the target need not be written. */
async function isCurrent(client: Client, direction: Direction, pair: Pair, options: CopyOptions): Promise<boolean> {
  const { update, checksum, signal, dryRun, overwrite } = options;
  const { path, file } = pair;
  if (!update && !checksum && !dryRun) return false;
  const here = () => file.storage.stat(file.name);
  const there = () => client.stat(path, { signal });
  const metadata = pair.metadata ?? await (direction === "get" ? there() : here());
  const target = await ifThere(direction === "get" ? here() : there());
  if (!target) return false;
  if (overwrite === false) return true;
  if (target.kind !== "file" || target.size !== metadata.size) return false;
  return checksum
    ? await haveSameContent(client, pair, signal)
    : update === true && target.mtimeMs === metadata.mtimeMs;
}

/** Whether an upload whose confirmation was lost has arrived. */
async function hasArrived(client: Client, pair: Pair, signal: AbortSignal | undefined): Promise<boolean> {
  const { storage, name, shown } = pair.file;
  const here = pair.metadata ?? await on("read", shown, () => storage.stat(name));
  const look = ifThere(client.stat(pair.path, { signal }));
  // Of a small file everything is asked at once, so that each is settled by itself however short the connection lives.
  const compare = () => ifThere(haveSameContent(client, pair, signal));
  const early = here.size <= MAX_DATA_BYTES ? compare() : undefined;
  early?.catch(() => {});
  const there = await look;
  if (there?.kind !== "file" || there.size !== here.size || there.mtimeMs !== here.mtimeMs) return false;
  return await (early ?? compare()) ?? false;
}

/** The connection was lost before an upload was confirmed, and we may not look whether it has arrived. */
function perhapsArrived(): FerryError {
  return new FerryError(
    "AlreadyExists",
    "it exists now; perhaps it had arrived when the connection was lost, but you may not look",
  );
}

/**
 * Transfers one file, or finds that this is not necessary.
 *
 * @throws {FerryError} As `Client.get` and `Client.put`; `Corrupt` when `verify` finds a difference.
 */
export async function copyFile(
  client: Client,
  direction: Direction,
  pair: Pair,
  options: CopyOptions,
): Promise<Outcome> {
  const { path, file } = pair;
  if (options.verify && !client.may("read")) {
    throw cannot("verify", path, new FerryError("Refused", "you may not read anything here"));
  }
  const isRepeated = options.isRepeated && direction === "put";
  if (isRepeated && client.may("read") && await hasArrived(client, pair, options.signal)) return "done";
  if (await isCurrent(client, direction, pair, options)) return "skipped";
  if (options.dryRun) return "planned";
  try {
    // What would be saved of a small file is less than it costs to look for it.
    const resume = options.resume ?? (pair.metadata === undefined || pair.metadata.size > MAX_DATA_BYTES);
    if (options.transfer) await options.transfer(client);
    else if (direction === "get") await client.get(path, file, { ...options, resume });
    else await client.put(file, path, options);
  } catch (error) {
    const exists = error instanceof FerryError && error.code === "AlreadyExists";
    if (exists && options.overwrite === false) return "skipped";
    if (exists && isRepeated && !client.may("read")) throw cannot("put", path, perhapsArrived());
    throw error;
  }
  if (options.verify && !await haveSameContent(client, pair, options.signal)) {
    throw cannot(direction, path, new FerryError("Corrupt", "the two files differ after the transfer"));
  }
  return "done";
}
