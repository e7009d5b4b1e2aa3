import { join } from "@std/path";
import { costOf, NameBudget } from "./name_budget.ts";

/** A directory somewhere below the one where a walk began. */
export interface Place {
  /** The directory that it is in; undefined for the one where the walk began. */
  readonly parent: Place | undefined;
  /** Its name; a whole path for the one where the walk began. */
  readonly name: string;
  /** How many names its path has, counted from where the walk began. */
  readonly depth: number;
}

/** What an entry takes besides its name, together with a parent that is kept for its path, in bytes. */
const PLACE_OVERHEAD_BYTES = 256;

/** The path of a directory. */
export function pathOf(place: Place): string {
  let path = place.name;
  for (let each = place.parent; each; each = each.parent) path = join(each.name, path);
  return path;
}

/** Directories that a walk has found and not entered yet. Their names are counted with those of all listings. */
export class DirectoryStack {
  readonly #budget = new NameBudget();
  readonly #places: Place[] = [];

  /** Adds a directory, or gives false when there is no memory for it. */
  add(parent: Place, name: string): boolean {
    if (!this.#budget.take(costOf(name) + PLACE_OVERHEAD_BYTES)) return false;
    this.#places.push({ parent, name, depth: parent.depth + 1 });
    return true;
  }

  /** The directory to enter next: the one that was added last. */
  next(): Place | undefined {
    const place = this.#places.pop();
    if (place) this.#budget.give(costOf(place.name) + PLACE_OVERHEAD_BYTES);
    return place;
  }

  /** Forgets all of them, and gives their memory back. */
  drop(): void {
    while (this.next());
  }
}
