import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import type { Swapping } from "./swap_worker.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** Deno's operations as they were when this module was loaded. */
const REAL = { ...Deno };

/** What every file outside holds. */
export const SECRET = "nobody may read this";

/** What every file inside holds; another size, so that metadata tell them apart. */
export const INSIDE = "inside";

/**
 * A served directory, something like it outside, and one place in the served one that can be exchanged for a link to
 * what stands at the same place outside, and back.
 */
export class SwapScene implements AsyncDisposable {
  readonly storage: DirectoryStorage;
  readonly dir: TempDir;
  readonly #before: string;
  readonly #place: string;
  /** Where the real thing and the link are while they are not in place. */
  readonly #aside: string;
  readonly #link: string;
  swapped = false;

  private constructor(dir: TempDir, place: string) {
    this.dir = dir;
    this.#place = dir.join("root", place);
    this.#aside = dir.join("aside");
    this.#link = dir.join("link");
    Deno.symlinkSync(dir.join("outside", place), this.#link);
    this.storage = DirectoryStorage.open(dir.join("root"));
    this.#before = this.#outside();
  }

  /** @param place What is exchanged: `p`, `p/d` or `p/d/f`. */
  static async of(place: string): Promise<SwapScene> {
    const dir = await tempDir();
    for (const [root, content] of [["root", INSIDE], ["outside", SECRET]] as const) {
      Deno.mkdirSync(dir.join(root, "p/d/e"), { recursive: true });
      for (const name of ["p/d/f", "p/d/g"]) Deno.writeTextFileSync(dir.join(root, name), content);
      const longAgo = new Date(1_600_000_000_000);
      for (const name of ["p/d/f", "p/d/g"]) Deno.utimeSync(dir.join(root, name), longAgo, longAgo);
    }
    Deno.writeTextFileSync(dir.join("outside/p/d/only-outside"), SECRET);
    // A link that stays inside unless something on its way is exchanged.
    Deno.symlinkSync("p/d", dir.join("root/l"));
    return new SwapScene(dir, place);
  }

  /** The two paths and names whose exchange is one swap, for a thread that swaps on its own. */
  get paths(): { place: string; link: string; aside: string } {
    return { place: this.#place, link: this.#link, aside: this.#aside };
  }

  /** Exchanges the real thing for the link, or back. */
  swap(): void {
    const [present, absent] = this.swapped ? [this.#link, this.#aside] : [this.#aside, this.#link];
    this.swapped = !this.swapped;
    try {
      REAL.renameSync(this.#place, present);
    } catch (error) {
      // What was under attack has removed it or given it another name.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    REAL.renameSync(absent, this.#place);
  }

  /** What came and what went outside, a line for each entry with all that it holds. */
  changes(): { came: string[]; gone: string[] } {
    const [before = [], after = []] = [this.#before, this.#outside()].map((state) => state.split("\n"));
    const missingIn = (lines: string[]) => (line: string) => !lines.includes(line);
    return { came: after.filter(missingIn(before)), gone: before.filter(missingIn(after)) };
  }

  #outside(directory = this.dir.join("outside")): string {
    return Array.from(REAL.readDirSync(directory), ({ name, isDirectory }) => {
      const path = `${directory}/${name}`;
      const { mode, mtime } = REAL.lstatSync(path);
      if (isDirectory) return [`${mode} ${path}/`, this.#outside(path)].filter(Boolean).join("\n");
      return `${path} ${mode} ${mtime?.getTime()} ${REAL.readTextFileSync(path)}`;
    }).sort().join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dir[Symbol.asyncDispose]();
  }
}

/** The operations with which lib/ reaches files by path. */
const BY_PATH = [
  "chmodSync",
  "lstatSync",
  "mkdirSync",
  "open",
  "openSync",
  "readDirSync",
  "realPathSync",
  "remove",
  "removeSync",
  "renameSync",
  "statSync",
] as const;

/** Runs `operation` with `before` ahead of each of its calls of Deno with a path; they are counted from 0. */
export async function interrupting<T>(before: (call: number) => void, operation: () => Promise<T>): Promise<T> {
  let calls = 0;
  for (const name of BY_PATH) {
    const real = REAL[name] as (...args: unknown[]) => unknown;
    Reflect.set(Deno, name, (...args: unknown[]) => {
      before(calls++);
      return real(...args);
    });
  }
  try {
    return await operation();
  } finally {
    for (const name of BY_PATH) Reflect.set(Deno, name, REAL[name]);
  }
}

/** What may happen outside the served directory, from harmless to bad. */
export type Escape =
  /** Size and time of something outside that has the same name as something inside. */
  | "metadata shown"
  /** A name that only exists outside. */
  | "name shown"
  | "content shown"
  /** An empty partial file, left by an upload that failed. */
  | "empty partial file"
  | "directory made"
  | "entry renamed"
  | "entry removed"
  | "content changed";

/** The worst that an operation did, by what it has shown and what has come and gone outside. */
export function escapeOf(shown: unknown, { came, gone }: { came: string[]; gone: string[] }): Escape | undefined {
  const text = Deno.inspect(shown);
  if (text.includes(SECRET)) return "content shown";
  if (text.includes("only-outside")) return "name shown";
  if (text.includes(`size: ${SECRET.length}`)) return "metadata shown";
  const [changed] = [...came, ...gone];
  if (came.length > 0 && gone.length > 0) return came.join().includes(SECRET) ? "entry renamed" : "content changed";
  if (changed === undefined) return undefined;
  if (gone.length > 0) return "entry removed";
  if (changed.endsWith("/")) return "directory made";
  return /\/\.ferry-[0-9a-f]{16}\.part \d+ \d+ $/.test(changed) ? "empty partial file" : "content changed";
}

/** Swaps all the time, in a thread of its own. */
export class Swapper implements Disposable {
  readonly #worker = new Worker(import.meta.resolve("./swap_worker.ts"), { type: "module" });

  /** Runs `work` while `scene`'s place is exchanged for the link and back; gives the number of exchanges. */
  async during({ paths }: SwapScene, work: () => Promise<void>): Promise<number> {
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    this.#worker.postMessage({ ...paths, flags } satisfies Swapping);
    try {
      await Atomics.waitAsync(flags, 1, 0).value;
      await work();
    } finally {
      Atomics.store(flags, 0, 1);
    }
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
