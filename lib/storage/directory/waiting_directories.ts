import { costOf, NameBudget } from "./name_budget.ts";

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
