import { Buffer } from "node:buffer";
import { takeTurn } from "../../transport/scheduler.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { ENTRIES_PER_STEP, entriesOf } from "./entries.ts";
import { lstatOrNothing } from "./lookup.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { DirectoryStack, pathOf, type WalkedDirectory } from "./directory_stack.ts";
import { Watch } from "./watch.ts";

/** How far down a directory reaches; it holds as long as this process changes nothing in it. */
export class Measure implements Disposable {
  readonly directory: PinnedDirectory;
  readonly #watch: Watch;
  readonly #waiting = new DirectoryStack();
  /** The most names in the path of anything in it, relative to it. */
  depth = 0;
  /** The most bytes that the path of anything in it has, relative to it. */
  bytes = 0;

  private constructor(directory: PinnedDirectory) {
    this.directory = directory;
    this.#watch = new Watch(directory.path);
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
    } finally {
      measure.#waiting.drop();
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
    const { path } = this.directory;
    const top: WalkedDirectory = { parent: undefined, name: path, depth: 0 };
    let seen = 0;
    for (let walked: WalkedDirectory | undefined = top; walked && this.holds; walked = this.#waiting.next()) {
      this.directory.check();
      const inside = pathOf(walked);
      const bytes = Buffer.byteLength(inside) - Buffer.byteLength(path);
      for await (const part of partsOf(inside)) {
        for (const entry of part) this.#add(walked, bytes, entry);
        seen += part.length;
        if (seen < ENTRIES_PER_STEP) continue;
        seen = 0;
        await takeTurn();
        throwIfAborted(signal);
      }
    }
  }

  /** @param bytes What the path of the directory has, relative to where it all began. */
  #add(walked: WalkedDirectory, bytes: number, { name, isDirectory }: Deno.DirEntry): void {
    this.depth = Math.max(this.depth, walked.depth + 1);
    this.bytes = Math.max(this.bytes, bytes + 1 + Buffer.byteLength(name));
    if (!isDirectory || this.#waiting.add(walked, name)) return;
    throw new FerryError("Busy", "there is too much in it to be moved deeper now; try again later");
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
