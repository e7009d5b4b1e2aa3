import { Condition } from "../core/condition.ts";
import type { Entry } from "../core/metadata.ts";
import { cannot, FerryError, toFerryError } from "../core/errors.ts";
import { compareUtf8, listingKey } from "../core/listing_order.ts";
import { quote } from "../core/text.ts";
import { REQUEST_WINDOW } from "../protocol/constants.ts";
import type { DirectoryStorage } from "../storage/directory/directory_storage.ts";
import { parseRemotePath, ROOT } from "../core/remote_path.ts";
import type { Client } from "./client.ts";
import { copyFile, type CopyOptions, type Direction, type Outcome } from "./copy.ts";
import { DEFAULT_RETRIES, isLoss, type Link, throwIfClosed } from "./link.ts";

/** How many files may be under way on one connection: most of the window; the rest is room for what goes with them. */
const FILES_UNDER_WAY = REQUEST_WINDOW * 3 / 4;

/** The two ends of a tree transfer. */
export interface Trees {
  readonly direction: Direction;
  /** The directory on this machine. */
  readonly local: DirectoryStorage;
  /** What the user calls it, for messages. */
  readonly shown: string;
  /** The directory on the server; empty for the served one. */
  readonly remote: string;
}

/** How far a tree transfer has come. */
export interface TreeProgress {
  /** Entries that were selected so far, directories among them. */
  entries: number;
  /** Files that were found so far; `listed` says whether these are all. */
  filesKnown: number;
  listed: boolean;
  filesDone: number;
  bytesKnown: number;
  bytesDone: number;
  skipped: number;
  failed: number;
  /** The file that was worked on last. */
  current: string;
}

/** How to transfer a tree. */
export interface TreeOptions extends CopyOptions {
  /** How often in a row a lost connection is made again. */
  readonly retries?: number | undefined;
  /** Which entries to take; all when absent. */
  readonly select?: ((entry: Entry) => boolean) | undefined;
  /** Told after every step. Must not throw. */
  readonly onStep?: ((progress: TreeProgress) => void) | undefined;
  /** Told of each file that could not be transferred; the others go on. */
  readonly onFailure?: ((path: string, error: FerryError) => void) | undefined;
  /** Told of each file that would be transferred, with `dryRun`. */
  readonly onPlan?: ((path: string) => Promise<void>) | undefined;
}

/** Joins two paths on the server, either of which may be empty. */
export function joinRemote(directory: string, path: string): string {
  return directory === "" || path === "" ? directory + path : `${directory}/${path}`;
}

/** The failure to list what is in a directory that was listed as `unreadable`. */
export function unreadable(path: string): FerryError {
  const reason = "something in it is missing: permission denied, or it lies too deep";
  return cannot("list", path, new FerryError("Refused", reason));
}

/** A listing that goes on after its last entry when the connection was lost. */
export async function* listRemote(
  link: Link,
  path: string,
  { recursive = true, signal }: { recursive?: boolean; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Entry> {
  const { closing } = link;
  let last: string | undefined;
  for (let failures = 0;;) {
    let client: Client | undefined;
    try {
      client = await link.run((client) => Promise.resolve(client), { signal });
      let previous: string | undefined;
      for await (const entry of client.dir(path || undefined, { recursive, signal })) {
        // Going on after a loss depends on the order.
        const key = listingKey(entry);
        if (previous !== undefined && compareUtf8(key, previous) <= 0) {
          throw new FerryError("BadRequest", `the server's listing of ${quote(path || "/")} is not in order`);
        }
        previous = key;
        if (last !== undefined && compareUtf8(key, last) <= 0) continue;
        yield entry;
        last = key;
        failures = 0;
      }
      return;
    } catch (thrown) {
      if (signal?.aborted || !(client?.hasEnded || isLoss(toFerryError(thrown))) || failures++ >= DEFAULT_RETRIES) {
        throw thrown;
      }
      throwIfClosed(closing);
    }
  }
}

/**
 * Transfers the entries of one tree, many at a time on each connection. A failure concerns one entry; the others go on.
 */
export class TreeTransfer {
  readonly progress: TreeProgress = {
    entries: 0,
    filesKnown: 0,
    listed: false,
    filesDone: 0,
    bytesKnown: 0,
    bytesDone: 0,
    skipped: 0,
    failed: 0,
    current: "",
  };
  readonly #trees: Trees;
  readonly #links: readonly Link[];
  readonly #options: TreeOptions;
  /** The directory of the target that each connection has seen to last. */
  readonly #seenTo = new Map<Link, string>();
  #underWay = 0;
  /** Rings when something that was under way has ended. */
  readonly #finished = new Condition();

  /** @param links The connections to use; files are dealt out to them in turn. */
  constructor(trees: Trees, links: readonly Link[], options: TreeOptions) {
    this.#trees = trees;
    this.#links = links;
    this.#options = options;
  }

  /** Transfers all entries. @throws {FerryError} Only what the listing throws, or `Cancelled`. */
  async run(entries: AsyncIterable<Entry>): Promise<TreeProgress> {
    const { signal, select } = this.#options;
    let turn = 0;
    try {
      for await (const entry of entries) {
        if (entry.kind === "other") continue;
        if (select && !select(entry)) {
          // What is meant may be in it.
          if (entry.unreadable) this.#failed(entry, this.#unreadable(entry));
          continue;
        }
        if (signal?.aborted) break;
        const link = this.#links[turn++ % this.#links.length];
        if (!link) throw new TypeError("a tree transfer needs a connection");
        while (this.#underWay >= FILES_UNDER_WAY * this.#links.length) await this.#finished.next;
        this.#start(entry, link);
      }
      this.progress.listed = true;
    } finally {
      while (this.#underWay > 0) await this.#finished.next;
    }
    if (signal?.aborted) throw new FerryError("Cancelled", "cancelled");
    return this.progress;
  }

  #start(entry: Entry, link: Link): void {
    this.#underWay++;
    this.progress.entries++;
    if (entry.kind === "file") {
      this.progress.filesKnown++;
      this.progress.bytesKnown += entry.size;
    }
    const work = entry.kind === "directory" ? this.#directory(entry, link) : this.#file(entry, link);
    void work.catch((error) => this.#failed(entry, toFerryError(error))).finally(() => {
      this.#underWay--;
      this.#finished.notifyAll();
      this.#options.onStep?.(this.progress);
    });
  }

  #failed(entry: Entry, error: FerryError): void {
    if (this.#options.signal?.aborted) return;
    this.progress.failed++;
    this.#options.onFailure?.(entry.path, error);
  }

  async #directory(entry: Entry, link: Link): Promise<void> {
    if (!this.#options.dryRun) await this.#seeTo(link, entry.path);
    if (entry.unreadable) throw this.#unreadable(entry);
  }

  #unreadable(entry: Entry): FerryError {
    const { direction, remote, shown } = this.#trees;
    return unreadable(joinRemote(direction === "get" ? remote : shown, entry.path));
  }

  /**
   * Makes a directory of the tree at the target. On the server it is made through the connection that uses it, so that
   * what is sent after it finds it there.
   */
  #seeTo(link: Link, directory: string): Promise<void> {
    if (this.#seenTo.get(link) === directory) return Promise.resolve();
    this.#seenTo.set(link, directory);
    const { direction, local, remote } = this.#trees;
    const path = direction === "get" ? directory : joinRemote(remote, directory);
    if (path === "") return Promise.resolve();
    if (direction === "get") return local.mkdir(parseRemotePath(path), { parents: true });
    return link.run((client) => client.mkdir(path, { parents: true, signal: this.#options.signal }), this.#options);
  }

  async #file(entry: Entry, link: Link): Promise<void> {
    const { direction, local, remote, shown } = this.#trees;
    const name = parseRemotePath(entry.path);
    const path = joinRemote(remote, entry.path);
    let counted = 0;
    const count = (bytes: number) => {
      this.progress.bytesDone += bytes - counted;
      counted = bytes;
    };
    if (!this.#options.dryRun) {
      // Whether it could be made shows when the file is sent; waiting for the answer would cost a round trip.
      this.#seeTo(link, entry.path.slice(0, Math.max(0, entry.path.lastIndexOf("/")))).catch(() => {});
    }
    const outcome: Outcome = await link.run((client: Client, progressed, isRepeated) => {
      const onProgress = (moved: number) => {
        if (moved > counted) progressed();
        count(moved);
        this.progress.current = entry.path;
        this.#options.onStep?.(this.progress);
      };
      const shownPath = `${shown}/${entry.path}`;
      const file = { storage: local, name, shown: shownPath, metadata: direction === "put" ? entry : undefined };
      return copyFile(client, direction, { path, file, metadata: entry }, { ...this.#options, onProgress, isRepeated });
    }, this.#options);
    if (outcome !== "done") count(0);
    // What arrived counts, not what was listed. Of what was sent this is all, also where an earlier attempt sent it.
    else if (direction === "put") count(entry.size);
    if (outcome === "planned") await this.#options.onPlan?.(entry.path);
    if (outcome === "skipped") this.progress.skipped++;
    else this.progress.filesDone++;
  }
}

/** The entries of a local tree. */
export function listLocal(local: DirectoryStorage): AsyncIterable<Entry> {
  return local.list(ROOT, { recursive: true });
}
