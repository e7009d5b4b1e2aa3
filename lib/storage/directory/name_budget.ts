/** What names may take that are held for all listings of this process together, in bytes. */
const SHARED_BYTES = 32 * 1024 * 1024;

/** What each listing may hold beyond that, in bytes, so that it can always go on. */
const OWN_BYTES = 1024 * 1024;

/** What V8 needs for a string besides its characters, and for its places in arrays, in bytes. */
const STRING_OVERHEAD_BYTES = 48;

const IS_LATIN = /^[\0-\xff]*$/;

/** What is left for all listings together. */
let sharedLeft = SHARED_BYTES;

/** About how many bytes of memory a name takes. */
export function costOf(name: string): number {
  return STRING_OVERHEAD_BYTES + name.length * (IS_LATIN.test(name) ? 1 : 2);
}

/** Counts the memory that the names held for one listing take. */
export class NameBudget {
  #held = 0;

  /** Takes this many bytes, or gives false when there is no room for them. */
  take(bytes: number): boolean {
    const shared = beyondOwn(this.#held + bytes) - beyondOwn(this.#held);
    if (shared > sharedLeft) return false;
    sharedLeft -= shared;
    this.#held += bytes;
    return true;
  }

  /** Gives back this many bytes. */
  give(bytes: number): void {
    sharedLeft += beyondOwn(this.#held) - beyondOwn(this.#held - bytes);
    this.#held -= bytes;
  }
}

/** How much of what a listing holds counts for all together. */
function beyondOwn(held: number): number {
  return Math.max(0, held - OWN_BYTES);
}

/** Directories that a walk has found and not entered yet. Their paths are counted with the names of all listings. */
export class WaitingDirectories implements Disposable {
  readonly #budget = new NameBudget();
  readonly #paths: string[] = [];

  /** Adds a directory, or gives false when there is no memory for it. */
  add(path: string): boolean {
    if (!this.#budget.take(costOf(path))) return false;
    this.#paths.push(path);
    return true;
  }

  /** The directory to enter next: the one that was added last. */
  next(): string | undefined {
    const path = this.#paths.pop();
    if (path !== undefined) this.#budget.give(costOf(path));
    return path;
  }

  [Symbol.dispose](): void {
    while (this.next() !== undefined);
  }
}
