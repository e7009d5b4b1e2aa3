import { join } from "@std/path";
import { fileName, FILES, SHARED_NAMES } from "../helpers/attack_grounds.ts";
import { bytes, Random } from "../helpers/random.ts";
import { type Ask, type Guest, request, upload } from "./guest.ts";
import { allTogether, Siege, STILL_CONTENT } from "./siege.ts";
import type { Target } from "./target.ts";

/** Directories that change places, the shallower first: what leads inside from a deep one leads outside from another. */
const PLACES = ["a", "b/c", "b/d/e"] as const;

/** Where something is put while two others change places. */
const ASIDE = ["t", "b/t", "n/t"] as const;

/** What uploads leave. */
const CONTENTS = [new Uint8Array(), bytes(1000, 1), bytes(200_000, 2)] as const;

/** How long attackers repeat what they do, in ms. */
const ATTACK_MS = 400;

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

/** Fills the served directory: each place has most of the names, above for directories and below for links. */
function layOut(root: string, random: Random): void {
  makeFiles(join(root, "n"), 3);
  for (const [i, place] of PLACES.entries()) {
    Deno.mkdirSync(join(root, place), { recursive: true });
    for (const name of SHARED_NAMES) {
      const at = join(root, place, name);
      const kind = random.below(5) ? Math.min(i, 1) : random.below(3);
      if (kind === 0) makeFiles(at, random.pick([3, FILES]));
      else if (kind === 1) Deno.symlinkSync(randomLink(random, i + 1), at);
    }
  }
}

function rename(path: string, to: string): Ask {
  return request({ command: "rename", path, to });
}

/** Two things that change places over and over. */
function randomSwap(random: Random): { asks: Ask[]; above: string; places: readonly [string, ...string[]] } {
  let above: string = random.pick(["a", "a", "b/c"]);
  let below: string = above === "a" ? random.pick(["b/c", "b/d/e"]) : "b/d/e";
  if (random.below(4) === 0) {
    const name = random.pick(SHARED_NAMES);
    [above, below] = [join(above, name), join(below, name)];
  }
  const aside = random.pick(ASIDE);
  const asks = [rename(above, aside), rename(below, above), rename(above, below), rename(aside, above)];
  return { asks, above, places: [above, above, below, aside] };
}

function randomName(random: Random): string {
  return random.below(4) ? random.pick(SHARED_NAMES) : fileName(random.below(20));
}

function randomPath(random: Random, places: readonly [string, ...string[]]): string {
  const names = [random.pick(places)];
  while (names.length < 4 && random.below(4)) names.push(randomName(random));
  return names.join("/");
}

/** Makes something where others swap, and removes it with all that is in it. */
function makeAndRemove(random: Random, above: string): Ask[] {
  const path = [above, random.pick(SHARED_NAMES), randomName(random)].join("/");
  const make = random.below(3) ? request({ command: "mkdir", path, parents: true }) : upload(path, CONTENTS[1]);
  return [make, request({ command: "remove", path, recursive: true })];
}

/** Lists where others swap. */
function list(random: Random, above: string): Ask[] {
  const path = random.below(2) ? above : `${above}/${random.pick(SHARED_NAMES)}`;
  return [request({ command: "dir", path, recursive: random.below(3) > 0 })];
}

/** Anything. */
function something(random: Random, places: readonly [string, ...string[]]): Ask[] {
  return Array.from({ length: 1 + random.below(4) }, () => {
    const path = randomPath(random, places);
    const command = random.pick(["mkdir", "remove", "dir", "put", "get", "stat", "sum", "rename"]);
    if (command === "put") return upload(path, random.pick(CONTENTS));
    if (command === "rename") return rename(path, randomPath(random, places));
    if (command === "mkdir") return request({ command, path, parents: random.below(3) > 0 });
    return request({ command, path, recursive: random.below(4) > 0 });
  });
}

/** Clients that rename directories and links while others list, make and remove what is below them. */
class Structure extends Siege {
  static async open(): Promise<Structure> {
    return new Structure(...await Siege.prepare());
  }

  protected override async attack(random: Random): Promise<void> {
    this.clear();
    layOut(this.grounds.root, random);
    const { asks, above, places } = randomSwap(random);
    const until = performance.now() + ATTACK_MS;
    const work = random.pick([makeAndRemove, list]);
    const works = [asks, ...Array.from({ length: random.below(5) }, () => work(random, above))];
    for (let i = random.below(4); i >= 0; i--) works.push(something(random, places));
    if (random.below(4) === 0) works.push(randomSwap(random).asks);
    const attacks = works.map((work) => {
      const own = new Random(random.u32());
      return (guest: Guest) => guest.repeat(work, until, own);
    });
    await allTogether(attacks, () => this.guest());
    this.grounds.checkInside([...CONTENTS, STILL_CONTENT]);
  }
}

/** Nothing outside is touched or seen, in whatever order directories and links are moved, made, listed and removed. */
export const STRUCTURE: Target = {
  name: "structure",
  share: 1,
  atOnce: 1,
  isTimed: true,
  open: () => Structure.open(),
};
