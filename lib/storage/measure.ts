import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { takeTurn } from "../net/turn.ts";
import { FerryError, toFerryError } from "../protocol/errors.ts";
import { ENTRIES_PER_STEP, entriesOf } from "./entries.ts";
import { lstatOrNothing } from "./lookup.ts";
import { PinnedDirectory } from "./pinned.ts";
import { Watch } from "./watch.ts";

/** What the paths of directories that wait to be measured may take, in UTF-16 code units: enough for 100,000 of them. */
const MAX_WAITING_LENGTH = 16 * 1024 * 1024;

/** A directory that is measured; `depth` and `bytes` are those of its path, relative to the one where it all began. */
interface Place {
  readonly path: string;
  readonly depth: number;
  readonly bytes: number;
}

/** How far down a directory reaches; it holds as long as this process changes nothing in it. */
export class Measure implements Disposable {
  readonly directory: PinnedDirectory;
  readonly #watch: Watch;
  #waitingLength: number;
  /** The most names in the path of anything in it, relative to it. */
  depth = 0;
  /** The most bytes that the path of anything in it has, relative to it. */
  bytes = 0;

  private constructor(directory: PinnedDirectory) {
    this.directory = directory;
    this.#watch = new Watch(directory.path);
    this.#waitingLength = directory.path.length;
  }

  /**
   * Measures a real directory, in many small steps. Links are not entered.
   *
   * @throws {FerryError} `Changed` when the directory is moved meanwhile; `Busy` when there is too much in it.
   */
  static async of(directory: PinnedDirectory, signal: AbortSignal | undefined): Promise<Measure> {
    const measure = new Measure(directory);
    try {
      await measure.#run(signal);
      return measure;
    } catch (error) {
      measure[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether it is still true. */
  get holds(): boolean {
    return !this.#watch.hasChanged;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    const waiting: Place[] = [{ path: this.directory.path, depth: 0, bytes: 0 }];
    let seen = 0;
    for (let place = waiting.pop(); place && this.holds; place = waiting.pop()) {
      this.directory.check();
      this.#waitingLength -= place.path.length;
      for await (const part of partsOf(place.path)) {
        for (const entry of part) this.#add(place, entry, waiting);
        if (this.#waitingLength > MAX_WAITING_LENGTH) {
          throw new FerryError("Busy", "there is too much in it to be moved deeper");
        }
        seen += part.length;
        if (seen < ENTRIES_PER_STEP) continue;
        seen = 0;
        await takeTurn();
        signal?.throwIfAborted();
      }
    }
  }

  #add(place: Place, { name, isDirectory }: Deno.DirEntry, waiting: Place[]): void {
    const depth = place.depth + 1;
    const bytes = place.bytes + 1 + Buffer.byteLength(name);
    this.depth = Math.max(this.depth, depth);
    this.bytes = Math.max(this.bytes, bytes);
    if (!isDirectory) return;
    const path = join(place.path, name);
    this.#waitingLength += path.length;
    waiting.push({ path, depth, bytes });
  }
}

/** The entries of a directory; none of one that is gone or that we may not list, of which no client can use any. */
async function* partsOf(path: string): AsyncGenerator<Deno.DirEntry[]> {
  const info = lstatOrNothing(path);
  try {
    if (info) yield* entriesOf(new PinnedDirectory(path, info));
  } catch (error) {
    if (toFerryError(error).code !== "Refused") throw error;
  }
}
