import { existsSync } from "node:fs";
import { join } from "@std/path";
import { emptyFiles, randomFile, randomTree, removeAll, sparseFile, warmMemory } from "./fixtures.ts";
import { syncDisks } from "./process.ts";
import type { Sizes } from "./sizes.ts";

/** How much more memory than the files need is made ready, because not every free page is as good as another. */
const WARM_SHARE = 1.25;

/** More would be written to the disk before it is removed. */
const MAX_WARM_BYTES = 2_500_000_000;

/** Memory for the processes themselves, in bytes. */
const SPARE_BYTES = 256 * 1024 * 1024;

/** A file that is served, by its remote and its local name. */
export interface ServedFile {
  readonly remote: string;
  readonly local: string;
  /** All bytes in it. */
  readonly size: number;
}

/** A tree that is served; `names` are relative to it. */
export interface ServedTree extends ServedFile {
  readonly names: readonly string[];
}

function hasDirectory(directory: string): boolean {
  return existsSync(directory) && Deno.readDirSync(directory).some(({ isDirectory }) => isDirectory);
}

/** The directories of a run. What is served is made when it is asked for, once. Disposing removes everything. */
export class Scratch implements AsyncDisposable {
  readonly root: string;
  /** What all servers serve. */
  readonly served: string;
  /** Where downloads go. */
  readonly out: string;
  /** Where uploads go: its remote and its local name. */
  readonly inbox: Omit<ServedFile, "size">;
  readonly #notes: string;
  readonly #aside: string;
  readonly #cold: boolean;
  readonly #sizes: Sizes;
  readonly #made = new Map<string, ServedTree>();

  /** Makes the directories below the system's directory for temporary files. `cold` leaves memory as it is. */
  constructor(sizes: Sizes, { cold }: { cold: boolean }) {
    this.root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "ferry-bench-" }));
    this.#sizes = sizes;
    this.#cold = cold;
    this.served = join(this.root, "served");
    this.out = join(this.root, "out");
    this.#notes = join(this.root, "notes");
    this.inbox = { remote: "inbox", local: join(this.served, "inbox") };
    this.#aside = join(this.root, "aside");
    Deno.mkdirSync(this.served);
    Deno.mkdirSync(this.#aside);
  }

  /** A new directory for the configuration and logs of a server. */
  own(): string {
    return Deno.makeTempDirSync({ dir: this.root, prefix: "own-" });
  }

  /** A new directory for the notes of a client; gone at the next `clear`. */
  notes(): string {
    return Deno.makeTempDirSync({ dir: this.#notes });
  }

  /**
   * Takes away what was transferred. A tree is moved aside and removed at the very end: ext4 without a journal makes
   * files up to fifteen times more slowly within a minute after others were removed.
   */
  async clear(): Promise<void> {
    for (const directory of [this.out, this.inbox.local, this.#notes]) {
      if (hasDirectory(directory)) Deno.renameSync(directory, join(this.#aside, crypto.randomUUID()));
      else await removeAll(directory);
      Deno.mkdirSync(directory);
    }
  }

  /** The large file of random bytes. */
  big(): ServedFile {
    return this.#make("big.bin", this.#sizes.bigBytes, (path) => randomFile(path, this.#sizes.bigBytes));
  }

  /** The file of random bytes that many clients get at once. */
  medium(): ServedFile {
    return this.#make("medium.bin", this.#sizes.clientBytes, (path) => randomFile(path, this.#sizes.clientBytes));
  }

  /** A file of zeros. */
  sparse(): ServedFile {
    return this.#make("sparse.bin", this.#sizes.readerBytes, (path) => sparseFile(path, this.#sizes.readerBytes));
  }

  /** A tree of small files. */
  tree(files: number): ServedTree {
    const { smallBytes } = this.#sizes;
    return this.#make(`tree-${files}`, files * smallBytes, (path) => randomTree(path, files, smallBytes));
  }

  /** A directory of empty files. */
  directory(entries: number): ServedFile {
    return this.#make(`list-${entries}`, 0, (path) => emptyFiles(path, entries));
  }

  /** Everything is ready for a run that will write so many bytes. */
  async settle(bytes: number, signal: AbortSignal): Promise<void> {
    await syncDisks(signal);
    const warm = Math.min(bytes * WARM_SHARE, MAX_WARM_BYTES) + SPARE_BYTES;
    if (!this.#cold) warmMemory(join(this.root, "warm.bin"), warm);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeAll(this.root);
  }

  #make(remote: string, size: number, make: (path: string) => string[] | void): ServedTree {
    let made = this.#made.get(remote);
    if (!made) {
      const local = join(this.served, remote);
      made = { remote, local, size, names: make(local) ?? [] };
      this.#made.set(remote, made);
    }
    return made;
  }
}
