import { blockSizeFor, matchingBytes } from "../core/block_sums.ts";
import { cannot, FerryError, hasCode } from "../core/errors.ts";
import { type FileMetadata, hasBits } from "../core/metadata.ts";
import { copyContent } from "./content.ts";
import type { ContentOptions, Known } from "./content_options.ts";
import { failureOf, type Place } from "./place.ts";
import { PIECE_BYTES } from "./pump.ts";

/** What became of a file: it was transferred, was not needed, or would have been transferred. */
export type Outcome = "done" | "skipped" | "planned";

/** How to transfer a file that may be there already. */
export interface CopyOptions extends ContentOptions {
  /** Skip a file that has the same size and time of change on both sides. */
  readonly same?: boolean | undefined;
  /** The same, and skip a file that has a later time of change at the target. */
  readonly update?: boolean | undefined;
  /** Skip a file that has the same content on both sides, whatever its time. */
  readonly checksum?: boolean | undefined;
  /** Say what would be transferred, and transfer nothing. */
  readonly dryRun?: boolean | undefined;
  /** Compare the SHA-256 of both files afterwards, read back from the disk. */
  readonly verify?: boolean | undefined;
  /** Whether one may look what the target has (the default). Otherwise there is nothing to compare with. */
  readonly mayLook?: boolean | undefined;
  /** Whether what is at the target may be given times and permission bits (the default). */
  readonly mayChange?: boolean | undefined;
}

/** What `look` finds, or undefined when there is nothing. */
export async function ifThere<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look;
  } catch (error) {
    if (hasCode(error, "NotFound")) return undefined;
    throw error;
  }
}

/** What both sides say of their file. */
async function ofBoth<T>(
  source: Place,
  target: Place,
  { verb = "copy" }: CopyOptions,
  ask: (place: Place) => Promise<T>,
): Promise<[T, T]> {
  const asking = async (isSource: boolean) => {
    const place = isSource ? source : target;
    try {
      return await ask(place);
    } catch (error) {
      throw failureOf(error, { isSource }, place.shown, verb);
    }
  };
  return await Promise.all([asking(true), asking(false)]);
}

async function haveSameContent(source: Place, target: Place, options: CopyOptions): Promise<boolean> {
  const { signal } = options;
  const digest = async ({ storage, path }: Place) => (await storage.digest(path, { signal })).sha256;
  try {
    const [here, there] = await ofBoth(source, target, options, digest);
    return here === there;
  } catch (error) {
    // Where one changes all the time, they are not the same.
    if (hasCode(error, "Changed")) return false;
    throw error;
  }
}

/** Whether the target is what the source begins with, which may have become longer since. */
async function isBeginning(source: Place, target: Place, length: number, options: CopyOptions): Promise<boolean> {
  const request = { length, blockSize: blockSizeFor(length), signal: options.signal };
  const [here, there] = await ofBoth(source, target, options, ({ storage, path }) => storage.blocks(path, request));
  return there.metadata.size === length && matchingBytes(here.sums, there.sums) === length;
}

/** What the target is to be. */
async function look({ storage, path }: Place, { known, mtimeMs, signal }: CopyOptions): Promise<Known> {
  const found = known ?? await storage.stat(path, { signal });
  return mtimeMs === undefined ? found : { ...found, mtimeMs };
}

/** Gives a target with the content of the source its permission bits, too. @returns False if it must be replaced for that. */
async function setBits(target: Place, found: Known, { mode }: Known, options: CopyOptions): Promise<boolean> {
  const { mayChange = true, overwrite, dryRun, signal } = options;
  if (!mayChange || overwrite === false || dryRun || hasBits(found.mode, mode)) return true;
  try {
    await target.storage.setMetadata?.(target.path, { mode }, { signal });
    return true;
  } catch (error) {
    // It belongs to others, or may not even be opened.
    if (hasCode(error, "Refused")) return false;
    throw cannot("set the permission bits of", target.shown, error);
  }
}

/** A file cannot have the name of a directory. */
function directoryInTheWay({ shown }: Place, { verb = "copy" }: CopyOptions, { link }: FileMetadata): FerryError {
  const reason = `it is a ${link ? "link to a " : ""}directory; remove it first to put a file in its place`;
  return failureOf(new FerryError("IsADirectory", reason), { isSource: false }, shown, verb);
}

/** Whether the target need not be written, and is now as it is to be. @throws {FerryError} `IsADirectory`. */
async function isCurrent(source: Place, target: Place, options: CopyOptions): Promise<boolean> {
  const { same, update, checksum, signal, dryRun, overwrite, mayLook = true } = options;
  if (!mayLook || !same && !update && !checksum && !dryRun) return false;
  const wanted = await look(source, options);
  const found = await ifThere(target.storage.stat(target.path, { signal }));
  if (!found) return false;
  if (overwrite === false) return true;
  if (found.kind !== "file") throw directoryInTheWay(target, options, found);
  // What it leads to has a name of its own.
  if (found.link) return false;
  if (update && found.mtimeMs > wanted.mtimeMs) return true;
  if (found.size !== wanted.size) return false;
  const isSame = checksum
    ? await haveSameContent(source, target, options)
    : (same || update) === true && found.mtimeMs === wanted.mtimeMs;
  return isSame && await setBits(target, found, wanted, options);
}

/** Whether a file whose confirmation was lost has arrived, and is now as it is to be. */
async function hasArrived(source: Place, target: Place, options: CopyOptions): Promise<boolean> {
  const wanted = await look(source, options);
  const looking = ifThere(target.storage.stat(target.path, { signal: options.signal }));
  // Of a small file everything is asked at once, so that each is settled by itself however short the connection lives.
  const compare = () => ifThere(haveSameContent(source, target, options));
  const early = wanted.size <= PIECE_BYTES ? compare() : undefined;
  early?.catch(() => {});
  const found = await looking;
  if (found?.kind !== "file" || found.link || found.size !== wanted.size || found.mtimeMs !== wanted.mtimeMs) {
    return false;
  }
  if (!await (early ?? compare())) return false;
  // It may have been there before, and what was lost is this.
  return await setBits(target, found, wanted, options);
}

/** The connection was lost before a file was confirmed, and we may not look whether it has arrived. */
function perhapsArrived(): FerryError {
  return new FerryError(
    "AlreadyExists",
    "it exists now; perhaps it had arrived when the connection was lost, but you may not look",
  );
}

/** Copies once. @param isRepeated An earlier attempt was cut off and may have succeeded all the same. */
async function copyOnce(source: Place, target: Place, options: CopyOptions, isRepeated: boolean): Promise<Outcome> {
  const { verb = "copy", overwrite, verify, dryRun, mayLook = true, signal, onProgress } = options;
  if (verify && !mayLook) {
    throw cannot("verify", target.shown, new FerryError("Refused", "you may not read anything here"));
  }
  // What is got is confirmed here.
  const isInDoubt = isRepeated && verb !== "get";
  if (isInDoubt && mayLook && await hasArrived(source, target, options)) {
    const { size } = await look(source, options);
    onProgress?.(size, size);
    return "done";
  }
  if (await isCurrent(source, target, options)) return "skipped";
  if (dryRun) return "planned";
  const { shown } = verb === "put" ? target : source;
  let size: number;
  try {
    ({ size } = (await copyContent(source, target, options)).metadata);
  } catch (error) {
    if (hasCode(error, "IsADirectory") && mayLook) {
      const found = await ifThere(target.storage.stat(target.path, { signal })).catch(() => undefined);
      if (found?.kind === "directory") throw directoryInTheWay(target, options, found);
    }
    if (!hasCode(error, "AlreadyExists")) throw error;
    if (overwrite === false) return "skipped";
    throw isInDoubt && !mayLook ? cannot(verb, shown, perhapsArrived()) : error;
  }
  // The source may be longer by now.
  if (verify && !await isBeginning(source, target, size, options)) {
    throw cannot(verb, shown, new FerryError("Corrupt", "the two files differ after the transfer"));
  }
  return "done";
}

/**
 * Copies a file between any two storages, or finds that this is not necessary.
 *
 * @throws {FerryError} As `copyContent`; `Corrupt` when `verify` finds a difference.
 */
export async function copyFile(source: Place, target: Place, options: CopyOptions = {}): Promise<Outcome> {
  const { retry, signal } = options;
  if (!retry) return await copyOnce(source, target, options, false);
  let most = 0;
  // What was sent has not arrived; where the next attempt begins says how much has.
  const isReceived = options.verb === "get";
  return await retry.run((attempts, isRepeated) => {
    let isBeginning = true;
    const onProgress = (moved: number, total: number) => {
      if (moved > most && (isReceived || isBeginning)) {
        attempts.progressed();
        most = moved;
      }
      isBeginning = false;
      options.onProgress?.(moved, total);
    };
    return copyOnce(source, target, { ...options, onProgress, attempts }, isRepeated);
  }, signal);
}
