import { Buffer } from "node:buffer";
import { join, SEPARATOR } from "@std/path";
import { takeTurn } from "../../transport/scheduler.ts";
import { FerryError, toFerryError } from "../../core/errors.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { ENTRIES_PER_STEP, entriesOf } from "./entries.ts";
import { lstatOrNothing } from "./lookup.ts";
import { PinnedDirectory } from "./pinned_directory.ts";
import { WaitingDirectories } from "./name_budget.ts";
import { Watch } from "./watch.ts";

/** How far down a directory reaches; it holds as long as this process changes nothing in it. */
export class Measure implements Disposable {
  readonly directory: PinnedDirectory;
  readonly #watch: Watch;
  /** The most names in the path of anything in it, relative to it. */
  depth = 0;
  /** The most bytes that the path of anything in it has, relative to it. */
  bytes = 0;

  constructor(directory: PinnedDirectory) {
    this.directory = directory;
    this.#watch = new Watch(directory.path);
  }

  /** Whether it is still true. */
  get holds(): boolean {
    return !this.#watch.hasChanged;
  }

  /**
   * Measures, in many small steps. Links are not entered.
   *
   * @throws {FerryError} `Changed` when the directory is moved meanwhile; `Busy` when there is too much in it.
   */
  async run(signal: AbortSignal | undefined): Promise<void> {
    const top = this.directory.path;
    using waiting = new WaitingDirectories();
    let seen = 0;
    for (let path: string | undefined = top; path !== undefined && this.holds; path = waiting.next()) {
      this.directory.check();
      const depth = path.slice(top.length).split(SEPARATOR).length;
      const bytes = Buffer.byteLength(path) - Buffer.byteLength(top) + "/".length;
      for await (const part of partsOf(path)) {
        this.depth = Math.max(this.depth, depth);
        for (const { name, isDirectory } of part) {
          this.bytes = Math.max(this.bytes, bytes + Buffer.byteLength(name));
          if (!isDirectory || waiting.add(join(path, name))) continue;
          throw new FerryError("Busy", "there is too much in it to be moved deeper now; try again later");
        }
        seen += part.length;
        if (seen < ENTRIES_PER_STEP) continue;
        seen = 0;
        await takeTurn();
        throwIfAborted(signal);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
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
