import { cannot } from "../core/errors.ts";
import type { FileMetadata } from "../core/metadata.ts";
import { joinPaths, parseRemotePath } from "../core/remote_path.ts";
import type { OperationOptions } from "../storage/storage.ts";
import { OpenDirectories, type OpenDirectory } from "./open_directories.ts";
import { type Place, placeIn } from "./place.ts";
import type { Retry } from "./retry.ts";

/** The owner of a directory must be able to write in it until its content is there. */
export const OWNER_WRITES = 0o300;

/** What a directory is to be in the end. */
export type DirectoryMetadata = Pick<FileMetadata, "mtimeMs" | "mode">;

/** How a directory of a tree that is being copied comes to be there. */
interface Making {
  /** What it is to be in the end; absent for one that was not listed itself. */
  readonly metadata: DirectoryMetadata | undefined;
  /** Fulfilled when it is there. */
  readonly making: Promise<void>;
  /** Whether `making` is over. */
  isSettled: boolean;
}

/** A directory of a tree that is being copied. */
export type TreeDirectory = OpenDirectory<Making>;

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
  readonly #open: OpenDirectories<Making>;

  /** @param root What the top of the tree is to be; left as it is when absent. */
  constructor(target: Place, root: DirectoryMetadata | undefined, options: DirectoryOptions) {
    this.#target = target;
    this.#options = options;
    this.#open = new OpenDirectories<Making>(
      this.#entered(root, this.#reopen(root)),
      (directory, left) => this.#close(directory, left),
    );
  }

  /** Makes a directory unless the listing is in it. It is not waited for, and may turn out to be impossible. */
  enter(path: string, metadata?: DirectoryMetadata): TreeDirectory {
    const above = this.#open.above(path);
    if (above.path === path) return above;
    return this.#open.enter(path, this.#entered(metadata, this.#make(path, metadata)));
  }

  /** Says that something in a directory is over. */
  release(directory: TreeDirectory): void {
    this.#open.release(directory);
  }

  /** Says that nothing more is listed. */
  end(): void {
    this.#open.end();
  }

  #entered(metadata: DirectoryMetadata | undefined, making: Promise<void>): Making {
    const value = { metadata, making, isSettled: false };
    const settle = () => void (value.isSettled = true);
    making.then(settle, settle);
    return value;
  }

  #close({ path, value: { making, metadata } }: TreeDirectory, left: () => void): void {
    const { dryRun, mayChange = true, signal, follow } = this.#options;
    if (!metadata || !this.#target.storage.setMetadata || !mayChange || dryRun || signal?.aborted) left();
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
    const { storage, path: whole } = placeIn(this.#target, parseRemotePath(path));
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
