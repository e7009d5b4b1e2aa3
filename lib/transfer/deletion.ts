import { cannot, FerryError } from "../core/errors.ts";
import { compareUtf8, listingKey } from "../core/listing_order.ts";
import type { Entry } from "../core/metadata.ts";
import { joinPaths, parseRemotePath } from "../core/remote_path.ts";
import type { MetadataChange, OperationOptions } from "../storage/storage.ts";
import { ifThere } from "./copy.ts";
import { listAgain, notBehindLinks, unreadable } from "./listing.ts";
import { OpenDirectories, type OpenDirectory } from "./open_directories.ts";
import { type Place, placeIn } from "./place.ts";
import type { Retry } from "./retry.ts";
import { FILES_UNDER_WAY, type TreeOptions } from "./tree.ts";
import { type DirectoryMetadata, OWNER_WRITES } from "./tree_directories.ts";
import { UnderWay } from "./under_way.ts";

/** How to remove what only the target of a tree has. */
export interface DeletionOptions
  extends OperationOptions, Pick<TreeOptions, "filter" | "root" | "mayChange" | "dryRun"> {
  /** Repeats what has failed because the connection was lost. */
  readonly retry: Retry;
  /** Told of each thing that was removed, or with `dryRun` would be; of a directory after what is in it. */
  readonly onRemoved?: ((path: string) => Promise<void> | void) | undefined;
  /** Told of each thing that could not be removed; the others go on. */
  readonly onFailure?: ((path: string, error: FerryError) => void) | undefined;
}

/** Something at the target. */
interface Found {
  readonly entry: Entry;
  /** The same in the source. */
  readonly wanted: Entry | undefined;
  /** Whether it was left out of the tree, and so stays. */
  readonly isExcluded: boolean;
}

/**
 * The entries of the source that are taken.
 *
 * @throws {FerryError} When there is none, or when something is missing: it would look as if it was not there.
 */
async function* wantedEntries(source: Place, { filter, retry, signal }: DeletionOptions): AsyncGenerator<Entry> {
  const takes = filter?.selector();
  let isEmpty = true;
  for await (const entry of listAgain(source, { recursive: true, retry, signal })) {
    parseRemotePath(entry.path);
    if (takes && !takes(entry)) continue;
    const shown = joinPaths(source.shown, entry.path);
    if (entry.unreadable) throw unreadable(shown, entry.reason);
    if (entry.kind === "other") {
      throw cannot("read", shown, new FerryError("NotAFile", entry.reason ?? "it is no file"));
    }
    isEmpty = false;
    yield entry;
  }
  if (isEmpty) throw new FerryError("Refused", "the source is empty, or all in it is excluded");
}

/** What is at the target, and not behind a link there, beside what is in the source. Both are listed to the end. */
async function* compare(source: Place, target: Place, options: DeletionOptions): AsyncGenerator<Found> {
  const { filter, retry, signal } = options;
  await using wanted = wantedEntries(source, options);
  const takes = filter?.selector();
  let next = await wanted.next();
  for await (const entry of notBehindLinks(listAgain(target, { recursive: true, retry, signal }))) {
    parseRemotePath(entry.path);
    const isExcluded = takes?.(entry) === false;
    if (entry.unreadable && !isExcluded) throw unreadable(joinPaths(target.shown, entry.path), entry.reason);
    const key = listingKey(entry);
    while (!next.done && compareUtf8(listingKey(next.value), key) < 0) next = await wanted.next();
    const isWanted = !next.done && listingKey(next.value) === key;
    yield { entry, wanted: isWanted ? next.value : undefined, isExcluded };
  }
  while (!next.done) next = await wanted.next();
}

/** A directory at the target in which something may be removed. */
interface Emptied {
  /** Whether the source does not have it, so that it goes when nothing is left in it. */
  readonly goes: boolean;
  /** What it is to be in the end, if it stays. */
  readonly metadata: DirectoryMetadata | undefined;
  /** The permission bits that it has now. */
  readonly mode: number | undefined;
  /** Fulfilled when its owner may write in it. */
  opening?: Promise<void>;
  /** Whether something in it stays. */
  keeps: boolean;
  /** Whether something in it was removed. */
  isTouched: boolean;
}

/** One way through both listings, which removes what only the target has, or with `dryRun` says what that is. */
class Deletion {
  removed = 0;
  readonly #source: Place;
  readonly #target: Place;
  readonly #options: DeletionOptions;
  readonly #underWay: UnderWay;
  readonly #directories: OpenDirectories<Emptied>;

  constructor(source: Place, target: Place, options: DeletionOptions) {
    const { root, signal, onFailure } = options;
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#underWay = new UnderWay({
      signal,
      most: FILES_UNDER_WAY,
      onFailure: (path, error) => onFailure?.(path, error),
    });
    const top = { goes: false, metadata: root, mode: root?.mode, keeps: false, isTouched: false };
    this.#directories = new OpenDirectories<Emptied>(top, (directory, left) => this.#close(directory, left));
  }

  async run(): Promise<number> {
    const { signal } = this.#underWay;
    await this.#underWay.run(async () => {
      for await (const found of compare(this.#source, this.#target, { ...this.#options, signal })) {
        for (let room = this.#underWay.room(); room; room = this.#underWay.room()) await room;
        if (signal.aborted) return;
        this.#visit(found);
      }
      this.#directories.end();
    });
    return this.removed;
  }

  #visit({ entry, wanted, isExcluded }: Found): void {
    const above = this.#directories.above(entry.path);
    if (isExcluded) above.value.keeps = true;
    else if (entry.kind === "directory") {
      const { mtimeMs, mode = entry.mode } = wanted ?? entry;
      const metadata = { mtimeMs, mode };
      this.#directories.enter(entry.path, {
        goes: !wanted,
        metadata,
        mode: entry.mode,
        keeps: false,
        isTouched: false,
      });
    } else if (!wanted) {
      above.open++;
      this.#underWay.follow(
        entry.path,
        this.#remove(entry.path, above).finally(() => this.#directories.release(above)),
      );
    }
  }

  /** Removes a directory of which nothing is left, or gives it back what removing has changed. */
  #close({ path, parent, value }: OpenDirectory<Emptied>, left: () => void): void {
    const { goes, keeps, isTouched } = value;
    if (this.#underWay.signal.aborted) left();
    else if (parent && goes && !keeps) this.#underWay.follow(path, this.#remove(path, parent).finally(left));
    else {
      if (parent && goes) parent.value.keeps = true;
      if (isTouched && value.metadata) this.#underWay.follow(path, this.#change(path, value.metadata).finally(left));
      else left();
    }
  }

  /** Removes a file, a link or an empty directory. */
  async #remove(path: string, above: OpenDirectory<Emptied>): Promise<void> {
    const { dryRun, onRemoved, retry } = this.#options;
    const { signal } = this.#underWay;
    try {
      const { storage, path: whole } = placeIn(this.#target, parseRemotePath(path));
      const remove = () => storage.remove(whole, { signal });
      if (!dryRun) {
        await (above.value.opening ??= this.#allowWriting(above));
        await retry.run<void>((_, isRepeated) => isRepeated ? ifThere(remove()) : remove(), signal);
      }
    } catch (error) {
      above.value.keeps = true;
      throw cannot("remove", joinPaths(this.#target.shown, path), error);
    }
    above.value.isTouched = true;
    this.removed++;
    await onRemoved?.(path);
  }

  /** Lets the owner of a directory write in it, where its permission bits do not, so that something in it can be removed. */
  async #allowWriting({ path, value: { mode } }: OpenDirectory<Emptied>): Promise<void> {
    if (mode === undefined || (mode & OWNER_WRITES) === OWNER_WRITES) return;
    await this.#change(path, { mode: mode | OWNER_WRITES });
  }

  async #change(path: string, change: MetadataChange): Promise<void> {
    const { retry, dryRun, mayChange = true } = this.#options;
    const { signal } = this.#underWay;
    const { storage, path: whole, shown } = path === "" ? this.#target : placeIn(this.#target, parseRemotePath(path));
    if (dryRun || !mayChange) return;
    try {
      await retry.run(async () => await storage.setMetadata?.(whole, change, { signal }), signal);
    } catch (error) {
      throw cannot("write", shown, error);
    }
  }
}

/**
 * Removes from a directory what another does not have, with all that is in it: links themselves and nothing behind them,
 * and nothing that the filter leaves out. Both are listed to their ends before anything is removed, and once more
 * meanwhile, so that memory does not grow with them.
 *
 * @param source The directory that has what stays.
 * @param target The directory to remove from.
 * @returns How many files, links and directories were removed, or would be.
 * @throws {FerryError} What the listings throw; the reason when one of them is not complete, when something in the source
 * cannot be read, or when nothing is there; what says that the connection is lost; `Cancelled`.
 */
export async function removeExtra(source: Place, target: Place, options: DeletionOptions): Promise<number> {
  const { dryRun, signal } = options;
  // The copy would have made the target, and there is nothing in it yet.
  if (dryRun && !await ifThere(target.storage.stat(target.path, { signal }))) return 0;
  const plan = dryRun ? options : { ...options, dryRun: true, onRemoved: undefined };
  const planned = await new Deletion(source, target, plan).run();
  return dryRun || planned === 0 ? planned : await new Deletion(source, target, options).run();
}
