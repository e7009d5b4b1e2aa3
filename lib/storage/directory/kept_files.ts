import { SEPARATOR } from "@std/path";
import { removeLeft } from "./temporary_file.ts";

/** How many partial files the uploads of one owner leave, at most; the oldest go first. */
const MAX_KEPT = 1000;

/** What the uploads of each owner have left since this process began. */
export class KeptFiles {
  readonly #ofOwners = new Map<string, Map<string, Deno.FileInfo>>();

  /** Remembers a partial file that an upload leaves, and removes the one that its owner has left longest ago. */
  add(owner: string, path: string, info: Deno.FileInfo): void {
    const own = this.#ofOwners.get(owner) ?? new Map<string, Deno.FileInfo>();
    this.#ofOwners.set(owner, own);
    own.delete(path);
    own.set(path, info);
    const [oldest] = own;
    if (!oldest || own.size <= MAX_KEPT) return;
    own.delete(oldest[0]);
    removeLeft(...oldest);
  }

  /** Follows partial files whose directory was moved. */
  moved(from: string, to: string): void {
    const follow = (path: string) => path.startsWith(from + SEPARATOR) ? to + path.slice(from.length) : path;
    for (const [owner, own] of this.#ofOwners) {
      this.#ofOwners.set(owner, new Map(Array.from(own, ([path, left]) => [follow(path), left])));
    }
  }

  /** Forgets a partial file that is there no more. */
  delete(owner: string, path: string): void {
    this.#ofOwners.get(owner)?.delete(path);
  }
}
