import { cannot } from "../core/errors.ts";
import { type FileMetadata, hasBits } from "../core/metadata.ts";
import { joinPaths, parseRemotePath } from "../core/remote_path.ts";
import type { OperationOptions } from "../storage/storage.ts";
import { ifThere } from "./copy.ts";
import { OpenDirectories, type OpenDirectory } from "./open_directories.ts";
import { type Place, placeIn } from "./place.ts";
import type { Retry } from "./retry.ts";

/** The owner of a directory must be able to write in it until its content is there. */
export const OWNER_WRITES = 0o300;

/** What a directory is to be in the end. */
export type DirectoryMetadata = Pick<FileMetadata, "mtimeMs" | "mode">;

/** A directory at the target, from when it is looked for until it is finished. */
interface Making {
  /** What it is to be in the end; absent for one that was not listed itself. */
  readonly metadata: DirectoryMetadata | undefined;
  /** Fulfilled when it is there. */
  making: Promise<void>;
  /** Whether `making` is over. */
  isSettled: boolean;
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
  /** Look at each first, and do nothing to one that is there already as it is to be. */
  readonly compare?: boolean | undefined;
  /** Follows what is done when all that is in a directory is there. */
  readonly follow: (path: string, work: Promise<void>) => void;
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
      this.#entered("", root, () => this.#reopen(root)),
      (directory, left) => this.#close(directory, left),
    );
  }

  /** Makes a directory unless the listing is in it. It is not waited for, and may turn out to be impossible. */
  enter(path: string, metadata?: DirectoryMetadata): TreeDirectory {
    const above = this.#open.above(path);
    if (above.path === path) return above;
    const make = () => {
      above.value.hasChanged = true;
      return this.#make(path, metadata);
    };
    return this.#open.enter(path, this.#entered(path, metadata, make));
  }

  /**
   * What a file has to wait for: where directories are looked at first, one that has to be made comes a round trip later
   * than its files, which would be sent in vain.
   */
  ready({ value }: TreeDirectory): Promise<void> | undefined {
    return this.#options.compare && !value.isSettled ? value.making : undefined;
  }

  /** Says that something in a directory is over. */
  release(directory: TreeDirectory): void {
    this.#open.release(directory);
  }

  /** Says that nothing more is listed. */
  end(): void {
    this.#open.end();
  }

  #entered(path: string, metadata: DirectoryMetadata | undefined, make: () => Promise<void>): Making {
    const value = { metadata, making: Promise.resolve(), isSettled: false, isSame: false, hasChanged: false };
    value.making = this.#prepare(path, value, make);
    const settle = () => void (value.isSettled = true);
    value.making.then(settle, settle);
    return value;
  }

  async #prepare(path: string, value: Making, make: () => Promise<void>): Promise<void> {
    value.isSame = this.#options.compare === true && await this.#isThere(path, value.metadata);
    if (!value.isSame) await make();
  }

  /** Whether a directory is there as it is to be. What goes wrong here shows again when it is made. */
  async #isThere(path: string, metadata: DirectoryMetadata | undefined): Promise<boolean> {
    const { mayChange = true, signal } = this.#options;
    const { storage, path: whole } = this.#place(path);
    const found = await ifThere(storage.stat(whole, { signal })).catch(() => undefined);
    if (found?.kind !== "directory") return false;
    return !metadata || !mayChange || found.mtimeMs === metadata.mtimeMs && isOpenWith(found.mode, metadata.mode);
  }

  #close({ path, value }: TreeDirectory, left: () => void): void {
    const { making, metadata, isSame, hasChanged } = value;
    const { dryRun, mayChange = true, signal, follow } = this.#options;
    const isDone = !metadata || isSame && !hasChanged || !this.#target.storage.setMetadata || !mayChange || dryRun;
    if (isDone || signal?.aborted) left();
    else follow(path, this.#finish(path, making, metadata).finally(left));
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
    const { dryRun, mayChange = true, signal } = this.#options;
    if (dryRun) return;
    const mode = metadata?.mode === undefined ? undefined : metadata.mode | OWNER_WRITES;
    const { storage, path: whole } = this.#place(path);
    const make = async () => {
      await storage.mkdir(whole, { parents: true, mode, signal });
      // An earlier run may have made it, and taken from its owner the right to write in it.
      if (mode !== metadata?.mode && mayChange) await storage.setMetadata?.(whole, { mode }, { signal });
    };
    await this.#act(path, make);
  }

  /** Gives a directory what it is to have in the end. */
  async #finish(path: string, making: Promise<void>, metadata: DirectoryMetadata): Promise<void> {
    const isThere = await making.then(() => true, () => false);
    if (!isThere) return;
    const { signal } = this.#options;
    const { storage, path: whole } = this.#place(path);
    const { mtimeMs, mode } = metadata;
    await this.#act(path, async () => await storage.setMetadata?.(whole, { mtimeMs, mode }, { signal }));
  }

  #place(path: string): Place {
    return path === "" ? this.#target : placeIn(this.#target, parseRemotePath(path));
  }

  /** Does something to a directory. What is elsewhere says itself what it could not do. */
  async #act(path: string, act: () => Promise<void>): Promise<void> {
    const { retry, signal } = this.#options;
    try {
      await (retry ? retry.run(act, signal) : act());
    } catch (error) {
      throw cannot("write", joinPaths(this.#target.shown, path), error);
    }
  }
}
