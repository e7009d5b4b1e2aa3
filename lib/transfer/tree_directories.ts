import { cannot } from "../core/errors.ts";
import type { FileMetadata } from "../core/metadata.ts";
import { isIn, joinPaths, parseRemotePath } from "../core/remote_path.ts";
import type { OperationOptions } from "../storage/storage.ts";
import { type Place, placeIn } from "./place.ts";
import type { Retry } from "./retry.ts";

/** The owner of a directory must be able to write in it until its content is there. */
const OWNER_WRITES = 0o300;

/** What a directory is to be in the end. */
export type DirectoryMetadata = Pick<FileMetadata, "mtimeMs" | "mode">;

/** A directory of a tree that is being copied. */
export interface TreeDirectory {
  readonly path: string;
  /** Absent for one that was not listed itself. */
  readonly metadata: DirectoryMetadata | undefined;
  readonly parent: TreeDirectory | undefined;
  /** Fulfilled when it is there. */
  readonly making: Promise<void>;
  /** Whether `making` is over. */
  isSettled: boolean;
  /** How many things in it are under way, and one for itself while the listing is in it. */
  open: number;
}

/** How the directories of a tree are made. */
export interface DirectoryOptions extends OperationOptions {
  readonly retry?: Retry | undefined;
  readonly dryRun?: boolean | undefined;
  /** Whether they may be given times and permission bits (the default). */
  readonly mayChange?: boolean | undefined;
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
  /** The directory that the listing is in. */
  #current: TreeDirectory;

  /** @param root What the top of the tree is to be; left as it is when absent. */
  constructor(target: Place, root: DirectoryMetadata | undefined, options: DirectoryOptions) {
    this.#target = target;
    this.#options = options;
    const making = Promise.resolve();
    this.#current = { path: "", metadata: root, parent: undefined, making, isSettled: true, open: 1 };
  }

  /** Makes a directory unless the listing is in it. It is not waited for, and may turn out to be impossible. */
  enter(path: string, metadata?: DirectoryMetadata): TreeDirectory {
    this.#leaveUnless((current) => isIn(path, current.path));
    const parent = this.#current;
    if (parent.path === path) return parent;
    const making = this.#make(path, metadata);
    const directory = { path, metadata, parent, making, isSettled: false, open: 1 };
    const settle = () => void (directory.isSettled = true);
    making.then(settle, settle);
    parent.open++;
    return this.#current = directory;
  }

  /** Says that something in a directory is over. */
  release(directory: TreeDirectory): void {
    if (--directory.open > 0) return;
    const { path, parent, metadata } = directory;
    const left = () => parent && this.release(parent);
    const { dryRun, mayChange = true, signal, follow } = this.#options;
    if (!metadata || !this.#target.storage.setMetadata || !mayChange || dryRun || signal?.aborted) left();
    else follow(path, this.#finish(directory, metadata).finally(left));
  }

  /** Says that nothing more is listed. */
  end(): void {
    this.#leaveUnless(() => false);
    this.release(this.#current);
  }

  #leaveUnless(stays: (directory: TreeDirectory) => boolean): void {
    while (this.#current.parent && !stays(this.#current)) {
      const left = this.#current;
      this.#current = this.#current.parent;
      this.release(left);
    }
  }

  async #make(path: string, metadata: DirectoryMetadata | undefined): Promise<void> {
    const { dryRun, mayChange = true, signal } = this.#options;
    if (dryRun) return;
    const mode = metadata?.mode === undefined ? undefined : metadata.mode | OWNER_WRITES;
    const { storage, path: whole } = placeIn(this.#target, parseRemotePath(path));
    const make = async () => {
      await storage.mkdir(whole, { parents: true, mode, signal });
      // An earlier run may have made it, and taken from its owner the right to write in it.
      if (mode !== metadata?.mode && mayChange) await storage.setMetadata?.(whole, { mode }, { signal });
    };
    await this.#act(path, make);
  }

  /** Gives a directory what it is to have in the end. */
  async #finish({ path, making }: TreeDirectory, metadata: DirectoryMetadata): Promise<void> {
    const isThere = await making.then(() => true, () => false);
    if (!isThere) return;
    const { signal } = this.#options;
    const place = path === "" ? this.#target : placeIn(this.#target, parseRemotePath(path));
    const { mtimeMs, mode } = metadata;
    await this.#act(path, async () => await place.storage.setMetadata?.(place.path, { mtimeMs, mode }, { signal }));
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
