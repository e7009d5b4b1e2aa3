import { setImmediate } from "node:timers/promises";
import { assertEquals } from "@std/assert";
import type { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { type Served, serveTemp } from "./served.ts";
import { at } from "./storage.ts";

/** What each file holds; another size outside, so that metadata tell them apart. */
export const INSIDE = "inside";
export const OUTSIDE = "outside, and longer";

/** The asynchronous calls with a path: by the time they use it, it may lead elsewhere than when it was looked at. */
const CALLS = ["lstat", "open", "realPath", "remove", "rename", "stat"] as const;

/** When the directories are exchanged: while asynchronous calls are under way, or in every turn of the event loop. */
export type Moments = "calls" | "turns";

/**
 * A served directory in which `box/vic/precious` is a directory with files and a directory `sub`, and `bux/vic` a link
 * that led inside where it was made, and now leads to the parent of the root. There, `precious` holds files of the same names.
 */
export class Moving implements AsyncDisposable {
  readonly served: Served;
  readonly storage: DirectoryStorage;
  readonly #names: readonly string[];

  private constructor(served: Served, names: readonly string[]) {
    this.served = served;
    this.storage = served.storage;
    this.#names = names;
  }

  /** @param names The names of the files, inside and outside. */
  static async with(names: readonly string[]): Promise<Moving> {
    const moving = new Moving(await serveTemp(), [...names, "sub/x"]);
    moving.#fill(moving.served.inside("box/vic/precious"), INSIDE);
    moving.#fill(moving.#outside, OUTSIDE);
    Deno.mkdirSync(moving.served.inside("bux"));
    Deno.symlinkSync("../..", moving.served.inside("bux/vic"));
    return moving;
  }

  /** Runs `operation`, which other requests come between at certain moments. */
  async during<T>(moments: Moments, operation: () => Promise<T>): Promise<T> {
    return await (moments === "calls" ? this.#duringCalls(operation) : this.#everyTurn(operation));
  }

  /** Fails unless all is there that was outside. */
  assertUntouched(): void {
    for (const name of this.#names) assertEquals(Deno.readTextFileSync(`${this.#outside}/${name}`), OUTSIDE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.served[Symbol.asyncDispose]();
  }

  get #outside(): string {
    return this.served.inside("..", "precious");
  }

  #fill(directory: string, content: string): void {
    Deno.mkdirSync(`${directory}/sub`, { recursive: true });
    for (const name of this.#names) Deno.writeTextFileSync(`${directory}/${name}`, content);
  }

  /** Exchanges the directory for the one with the link, or back, as any client may; all is done when the call is over. */
  exchange(): void {
    for (const [from, to] of [["box", "tmp"], ["bux", "box"], ["tmp", "bux"]] as const) {
      this.storage.rename(at(from), at(to)).catch(() => {});
    }
  }

  async #duringCalls<T>(operation: () => Promise<T>): Promise<T> {
    const real = { ...Deno };
    for (const name of CALLS) {
      const call = real[name] as (...args: unknown[]) => Promise<unknown>;
      Reflect.set(Deno, name, (...args: unknown[]) => {
        this.exchange();
        return call(...args).finally(() => this.exchange());
      });
    }
    const exchange = () => this.exchange();
    Reflect.set(Deno, "readDir", async function* (path: string) {
      exchange();
      const entries = real.readDir(path)[Symbol.asyncIterator]();
      const first = await entries.next();
      exchange();
      if (first.done) return;
      yield first.value;
      for (let next = await entries.next(); !next.done; next = await entries.next()) yield next.value;
    });
    try {
      return await operation();
    } finally {
      for (const name of [...CALLS, "readDir"] as const) Reflect.set(Deno, name, real[name]);
    }
  }

  async #everyTurn<T>(operation: () => Promise<T>): Promise<T> {
    let running = true;
    const exchanging = (async () => {
      while (running) {
        await setImmediate();
        this.exchange();
      }
    })();
    try {
      return await operation();
    } finally {
      running = false;
      await exchanging;
    }
  }
}
