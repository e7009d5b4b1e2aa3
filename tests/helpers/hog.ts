import { NameBudget } from "../../lib/storage/directory/name_budget.ts";

const MIB = 1024 * 1024;

/** Takes the memory that there is for the names of all listings and walks, until the end of the scope. */
export class Hog implements Disposable {
  readonly #budget = new NameBudget();
  /** How much it has, in bytes. */
  taken = 0;

  /** @param left How much it leaves for others, in bytes. */
  constructor(left = 0) {
    for (let step = MIB; step >= 1; step /= 2) {
      while (this.#budget.take(step)) this.taken += step;
    }
    this.#budget.give(left);
    this.taken -= left;
  }

  [Symbol.dispose](): void {
    this.#budget.give(this.taken);
  }
}

/** How much memory there is for names now, in bytes. */
export function freeBytes(): number {
  using hog = new Hog();
  return hog.taken;
}
