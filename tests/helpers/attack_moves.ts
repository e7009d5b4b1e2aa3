import { join } from "@std/path";
import { fileName, FILES, SHARED_NAMES } from "./attack_grounds.ts";
import { bytes, type Random } from "./random.ts";

/** A request of an attacker. */
export type Step =
  | { readonly command: "rename"; readonly path: string; readonly to: string }
  | { readonly command: "mkdir"; readonly path: string; readonly parents: boolean }
  | { readonly command: "remove" | "dir"; readonly path: string; readonly recursive: boolean }
  | { readonly command: "put"; readonly path: string; readonly content: Uint8Array<ArrayBuffer> }
  | { readonly command: "get" | "stat" | "sum"; readonly path: string };

/** Directories that change places, the shallower first: what leads inside from a deep one leads outside from another. */
const PLACES = ["a", "b/c", "b/d/e"] as const;

/** Where something is put while two others change places. */
const ASIDE = ["t", "b/t", "n/t"] as const;

/** What uploads leave. */
export const CONTENTS = [new Uint8Array(), bytes(1000, 1), bytes(200_000, 2)] as const;

/** Makes a directory with some files that have the names of those outside. */
function makeFiles(directory: string, count: number): void {
  Deno.mkdirSync(directory, { recursive: true });
  for (let i = 0; i < count; i++) Deno.writeFileSync(join(directory, fileName(i)), CONTENTS[0]);
}

/** A link that leads inside from where it is: most often up all levels, and not always down again. */
function randomLink(random: Random, depth: number): string {
  const up = "../".repeat(random.below(4) ? depth : 1 + random.below(depth));
  return random.below(2) ? up : up + random.pick(SHARED_NAMES);
}

function randomName(random: Random): string {
  return random.below(4) ? random.pick(SHARED_NAMES) : fileName(random.below(20));
}

/** What clients do who move directories and links while they, or others, list, make and remove what is below them. */
export class Moves {
  readonly #random: Random;
  readonly #base: readonly string[];
  readonly #above: string;
  readonly #below: string;
  readonly #aside: string;

  /** @param base The names of the directories in which all of it happens, in the served one. */
  constructor(random: Random, ...base: string[]) {
    this.#random = random;
    this.#base = base;
    let above: string = random.pick(["a", "a", "b/c"]);
    let below: string = above === "a" ? random.pick(["b/c", "b/d/e"]) : "b/d/e";
    if (random.below(4) === 0) {
      const name = random.pick(SHARED_NAMES);
      [above, below] = [join(above, name), join(below, name)];
    }
    this.#above = this.#at(above);
    this.#below = this.#at(below);
    this.#aside = this.#at(random.pick(ASIDE));
  }

  /** Fills the served directory: each place has most of the names, above for directories and below for links. */
  layOut(root: string): void {
    const random = this.#random;
    makeFiles(join(root, this.#at("n")), 3);
    for (const [i, place] of PLACES.entries()) {
      const directory = join(root, this.#at(place));
      Deno.mkdirSync(directory, { recursive: true });
      for (const name of SHARED_NAMES) {
        const kind = random.below(5) ? Math.min(i, 1) : random.below(3);
        if (kind === 0) makeFiles(join(directory, name), random.pick([3, FILES]));
        else if (kind === 1) Deno.symlinkSync(randomLink(random, i + 1 + this.#base.length), join(directory, name));
      }
    }
  }

  /** Two things that change places over and over. */
  get swap(): Step[] {
    return [
      rename(this.#above, this.#aside),
      rename(this.#below, this.#above),
      rename(this.#above, this.#below),
      rename(this.#aside, this.#above),
    ];
  }

  /** Makes something where others swap, and removes it with all that is in it. */
  makeAndRemove(): Step[] {
    const random = this.#random;
    const path = [this.#above, random.pick(SHARED_NAMES), randomName(random)].join("/");
    const make: Step = random.below(3)
      ? { command: "mkdir", path, parents: true }
      : { command: "put", path, content: CONTENTS[1] };
    return [make, { command: "remove", path, recursive: true }];
  }

  /** Lists where others swap. */
  list(): Step[] {
    const random = this.#random;
    const path = random.below(2) ? this.#above : `${this.#above}/${random.pick(SHARED_NAMES)}`;
    return [{ command: "dir", path, recursive: random.below(3) > 0 }];
  }

  /** Anything. */
  something(): Step[] {
    const random = this.#random;
    return Array.from({ length: 1 + random.below(4) }, (): Step => {
      const path = this.#randomPath();
      const command = random.pick(["mkdir", "remove", "dir", "put", "get", "stat", "sum", "rename"] as const);
      if (command === "put") return { command, path, content: random.pick(CONTENTS) };
      if (command === "rename") return rename(path, this.#randomPath());
      if (command === "mkdir") return { command, path, parents: random.below(3) > 0 };
      if (command === "remove" || command === "dir") return { command, path, recursive: random.below(4) > 0 };
      return { command, path };
    });
  }

  #randomPath(): string {
    const random = this.#random;
    const names = [random.pick([this.#above, this.#above, this.#below, this.#aside])];
    while (names.length < 4 && random.below(4)) names.push(randomName(random));
    return names.join("/");
  }

  #at(place: string): string {
    return [...this.#base, place].join("/");
  }
}

function rename(path: string, to: string): Step {
  return { command: "rename", path, to };
}
