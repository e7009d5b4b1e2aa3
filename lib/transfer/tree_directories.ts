import { cannot, FerryError, toFerryError } from "../core/errors.ts";
import { type FileMetadata, hasBits } from "../core/metadata.ts";
import { joinPaths, parseRemotePath, splitPath } from "../core/remote_path.ts";
import type { OperationOptions } from "../storage/storage.ts";
import { ifThere } from "./copy.ts";
import { OpenDirectories, type OpenDirectory } from "./open_directories.ts";
import { type Place, placeIn } from "./place.ts";
import { endsTransfer, type Retry } from "./retry.ts";

/** The owner of a directory must be able to write in it until its content is there. */
export const OWNER_WRITES = 0o300;

/** What a directory is to be in the end. */
export type DirectoryMetadata = Pick<FileMetadata, "mtimeMs" | "mode">;

/** A directory at the target, from when it is looked for until it is finished. */
interface Making {
  /** What it is to be in the end; absent for one that was not listed itself. */
  readonly metadata: DirectoryMetadata | undefined;
  /** Fulfilled with what had its name, if anything had, once neither that nor anything above it is in the way. */
  looking: Promise<FileMetadata | undefined>;
  /** Fulfilled when it is there. */
  making: Promise<void>;
  /** Whether `making` is over. */
  isSettled: boolean;
  /** Why it could not be made. */
  failure: FerryError | undefined;
  /** How many entries in it were not transferred for that reason. */
  leftOut: number;
  /** Whether it was there already as it is to be. */
  isSame: boolean;
  /** Whether something in it was changed, and with that its time. */
  hasChanged: boolean;
}

/** Whether `setMetadata` would change no bits of a directory, and files can be written there without it. */
function isOpenWith(found: number | undefined, wanted: number | undefined): boolean {
  return hasBits(found, wanted) && (found === undefined || wanted === undefined || (wanted | OWNER_WRITES) === wanted);
}

/** A directory of a tree that is being copied. */
export type TreeDirectory = OpenDirectory<Making>;

/** How the directories of a tree are made. */
export interface DirectoryOptions extends OperationOptions {
  readonly retry?: Retry | undefined;
  readonly dryRun?: boolean | undefined;
  /** Whether they may be given times and permission bits (the default). */
  readonly mayChange?: boolean | undefined;
  /** Told of each that would be made, with `dryRun`. */
  readonly onPlan?: ((action: "mkdir", path: string) => Promise<void>) | undefined;
  /** Look at each first: do nothing to one that is there already as it is to be, and write nothing through a link. */
  readonly compare: boolean;
  /** Follows what is done when all that is in a directory is there. */
  readonly follow: (path: string, work: Promise<void>) => void;
  /** Told how many entries more failed than were reported. */
  readonly onLeftOut: (count: number) => void;
}

/**
 * The directories of a tree at the target: each is made when the listing comes to it, ahead of what is in it, and gets its
 * time and permission bits when all that is there.
 */
export class TreeDirectories {
  readonly #target: Place;
  readonly #options: DirectoryOptions;
  readonly #open: OpenDirectories<Making>;

  /** @param root What the top of the tree is to be; left as it is when absent. */
  constructor(target: Place, root: DirectoryMetadata | undefined, options: DirectoryOptions) {
    this.#target = target;
    this.#options = options;
    this.#open = new OpenDirectories<Making>(
      this.#entered("", root),
      (directory, left) => this.#close(directory, left),
    );
  }

  /** Makes a directory unless the listing is in it. It is not waited for, and may turn out to be impossible. */
  enter(path: string, metadata?: DirectoryMetadata): TreeDirectory {
    let above = this.#open.above(path);
    if (above.path === path) return above;
    const [parent] = splitPath(path);
    // What is on the way may be a link, too, even if it was not selected itself.
    if (this.#options.compare && parent !== above.path) above = this.enter(parent);
    return this.#open.enter(path, this.#entered(path, metadata, above.value));
  }

  /**
   * What a file has to wait for: where directories are looked at first, one that has to be made comes a round trip later
   * than its files, which would be sent in vain.
   */
  ready({ value }: TreeDirectory): Promise<void> | undefined {
    return value.failure || this.#options.compare && !value.isSettled ? value.making : undefined;
  }

  /** Whether something in a directory failed because the directory did. It is then counted, and said of that. */
  explains({ value }: TreeDirectory, error: unknown): boolean {
    const { failure } = value;
    if (!failure || error !== failure || endsTransfer(failure.code)) return false;
    value.leftOut++;
    return true;
  }

  /** Says that something in a directory is over. */
  release(directory: TreeDirectory): void {
    this.#open.release(directory);
  }

  /** Says that nothing more is listed. */
  end(): void {
    this.#open.end();
  }

  #entered(path: string, metadata: DirectoryMetadata | undefined, above?: Making): Making {
    const nothing = Promise.resolve(undefined);
    const value: Making = {
      metadata,
      looking: nothing,
      making: nothing,
      isSettled: false,
      failure: undefined,
      leftOut: 0,
      isSame: false,
      hasChanged: false,
    };
    const settle = (error?: unknown) => {
      value.isSettled = true;
      if (error !== undefined) value.failure = toFerryError(error);
    };
    value.making = this.#prepare(path, value, above);
    value.making.then(() => settle(), settle);
    return value;
  }

  async #prepare(path: string, value: Making, above: Making | undefined): Promise<void> {
    let found: FileMetadata | undefined;
    const isNeeded = above !== undefined || value.metadata !== undefined;
    if (this.#options.compare && isNeeded) found = await (value.looking = this.#look(path, above));
    if (above?.failure) throw above.failure;
    value.isSame = found !== undefined && this.#isSame(found, value.metadata);
    if (value.isSame) return;
    if (!above) return await this.#reopen(value.metadata);
    above.hasChanged = true;
    if (!this.#options.dryRun) await this.#make(path, value.metadata);
    else if (!found && value.metadata) await this.#options.onPlan?.("mkdir", path);
  }

  /** What has the name of a directory. @throws {FerryError} When it, or something above it, is in the way. */
  async #look(path: string, above: Making | undefined): Promise<FileMetadata | undefined> {
    const { signal } = this.#options;
    const { storage, path: whole } = this.#place(path);
    const looking = this.#act(path, () => ifThere(storage.stat(whole, { signal })));
    // What is above was asked about before. The user has named the top.
    const [found] = await Promise.all([looking, above?.looking]);
    if (!above || !found || found.kind === "directory" && !found.link) return found;
    const reason = `it is a ${found.link ? "link to a " : ""}${found.kind}`;
    const inTheWay = new FerryError("AlreadyExists", `${reason}; remove it first to put a directory in its place`);
    throw cannot("write", joinPaths(this.#target.shown, path), inTheWay);
  }

  /** Whether what is there is as it is to be. */
  #isSame(found: FileMetadata, metadata: DirectoryMetadata | undefined): boolean {
    const { mayChange = true } = this.#options;
    if (found.kind !== "directory") return false;
    return !metadata || !mayChange || found.mtimeMs === metadata.mtimeMs && isOpenWith(found.mode, metadata.mode);
  }

  #close(directory: TreeDirectory, left: () => void): void {
    const { path, value } = directory;
    const { signal, follow } = this.#options;
    const isOver = value.isSettled && !value.failure && !this.#isToSet(value);
    if (isOver || signal?.aborted) left();
    else follow(path, this.#finish(directory).finally(left));
  }

  /** Whether a directory has to be given a time and bits, now that its content is there. */
  #isToSet({ metadata, isSame, hasChanged }: Making): boolean {
    const { dryRun, mayChange = true } = this.#options;
    return metadata !== undefined && (!isSame || hasChanged) && mayChange && !dryRun;
  }

  /** Gives the owner of the top the right to write in it, which an earlier run may have taken. */
  async #reopen(root: DirectoryMetadata | undefined): Promise<void> {
    const { dryRun, mayChange = true, signal } = this.#options;
    const { storage, path } = this.#target;
    const mode = root?.mode === undefined ? undefined : root.mode | OWNER_WRITES;
    if (dryRun || !mayChange || mode === root?.mode) return;
    await this.#act("", async () => await storage.setMetadata?.(path, { mode }, { signal }));
  }

  async #make(path: string, metadata: DirectoryMetadata | undefined): Promise<void> {
    const { mayChange = true, signal } = this.#options;
    const mode = metadata?.mode === undefined ? undefined : metadata.mode | OWNER_WRITES;
    const { storage, path: whole } = this.#place(path);
    const make = async () => {
      await storage.mkdir(whole, { parents: true, mode, signal });
      // An earlier run may have made it, and taken from its owner the right to write in it.
      if (mode !== metadata?.mode && mayChange) await storage.setMetadata?.(whole, { mode }, { signal });
    };
    await this.#act(path, make);
  }

  /** Gives a directory what it is to have in the end, or says why it is not there. */
  async #finish({ path, parent, value }: TreeDirectory): Promise<void> {
    await value.making.catch(() => {});
    if (value.failure) return await this.#report(value, value.failure, parent);
    if (!this.#isToSet(value)) return;
    const { signal } = this.#options;
    const { storage, path: whole } = this.#place(path);
    const { mtimeMs, mode } = value.metadata ?? {};
    await this.#act(path, async () => await storage.setMetadata?.(whole, { mtimeMs, mode }, { signal }));
  }

  /** Says once for all that is in a directory why it failed, or leaves that to the directory above. */
  async #report(value: Making, failure: FerryError, parent: TreeDirectory | undefined): Promise<void> {
    const { leftOut } = value;
    const own = parent && value.metadata ? 1 : 0;
    await parent?.value.making.catch(() => {});
    if (parent?.value.failure) parent.value.leftOut += leftOut + own;
    else if (leftOut + own > 0) {
      // The report counts as one.
      this.#options.onLeftOut(leftOut + own - 1);
      const { code, message, path, cause } = failure;
      const rest = `${leftOut} ${leftOut === 1 ? "entry in it was" : "entries in it were"} not transferred`;
      throw leftOut === 0 ? failure : new FerryError(code, `${message}; ${rest}`, { path, cause });
    }
  }

  #place(path: string): Place {
    return path === "" ? this.#target : placeIn(this.#target, parseRemotePath(path));
  }

  /** Does something to a directory. What is elsewhere says itself what it could not do. */
  async #act<T>(path: string, act: () => Promise<T>): Promise<T> {
    const { retry, signal } = this.#options;
    try {
      return await (retry ? retry.run(act, signal) : act());
    } catch (error) {
      throw cannot("write", joinPaths(this.#target.shown, path), error);
    }
  }
}
