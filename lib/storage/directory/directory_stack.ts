import { join } from "@std/path";
import { costOf, NameBudget } from "./name_budget.ts";

/** A directory somewhere below the one where a walk began. */
export interface WalkedDirectory {
  /** The directory that it is in; undefined for the one where the walk began. */
  readonly parent: WalkedDirectory | undefined;
  /** Its name; a whole path for the one where the walk began. */
  readonly name: string;
  /** How many names its path has, counted from where the walk began. */
  readonly depth: number;
}

/** What an entry takes besides its name, together with a parent that is kept for its path, in bytes. */
const OVERHEAD_BYTES = 256;

/** The path of a directory. */
export function pathOf(directory: WalkedDirectory): string {
  let path = directory.name;
  for (let each = directory.parent; each; each = each.parent) path = join(each.name, path);
  return path;
}

/** Directories that a walk has found and not entered yet. Their names are counted with those of all listings. */
export class DirectoryStack {
  readonly #budget = new NameBudget();
  readonly #directories: WalkedDirectory[] = [];

  /** Adds a directory, or gives false when there is no memory for it. */
  add(parent: WalkedDirectory, name: string): boolean {
    if (!this.#budget.take(costOf(name) + OVERHEAD_BYTES)) return false;
    this.#directories.push({ parent, name, depth: parent.depth + 1 });
    return true;
  }

  /** The directory to enter next: the one that was added last. */
  next(): WalkedDirectory | undefined {
    const directory = this.#directories.pop();
    if (directory) this.#budget.give(costOf(directory.name) + OVERHEAD_BYTES);
    return directory;
  }

  /** Forgets all of them, and gives their memory back. */
  drop(): void {
    while (this.next());
  }
}
