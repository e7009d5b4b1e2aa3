import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import type { Entry } from "../../lib/core/metadata.ts";
import type { Random } from "../helpers/random.ts";
import { type Ask, type Guest, request, upload } from "./guest.ts";
import { Siege } from "./siege.ts";
import type { Target } from "./target.ts";

/** The most names in a path that a server makes, and the most bytes in one that it reads. */
const MOST_NAMES = 128;
const MOST_BYTES = 4096;

/** The most bytes of a path that is asked for: more than is read, and few enough for the frame of a request. */
const MOST_REQUESTED = 60_000;

/** How often a tree is put below another, if the server lets it: then it is deeper than any stack. */
const MOST_MOVES = 130;

/** The levels that a tree of the owner has. */
const DEPTHS = [10, 127, 128, 129, 300, 1000, 2048, 5000, 15_000] as const;

/** Trees that can be opened deeper than this are not listed: that takes seconds. */
const MOST_LISTED = 1000;

/** A path of so many directories, one in another. */
function chain(name: string, levels: number): string {
  return Array.from({ length: levels }, () => name).join("/");
}

/** Asks for a tree that becomes deeper and deeper. */
function grow(random: Random, name: string): Ask[] {
  const asks = [request({ command: "mkdir", path: "top", parents: true })];
  for (let i = random.below(random.pick([3, MOST_MOVES])); i >= 0; i--) {
    const new_ = `new/${chain(name, random.pick([1, 50, MOST_NAMES - 2]))}`;
    asks.push(
      request({ command: "mkdir", path: new_, parents: true }),
      request({ command: "rename", path: "top", to: `${new_}/${name}` }),
      request({ command: "rename", path: "new", to: "top" }),
    );
  }
  return asks;
}

/** What others do to the tree meanwhile, and before it is removed. */
function disturb(random: Random, name: string): Ask {
  const levels = 1 + random.below(random.pick([3, 130, 2000]));
  const path = `top/${chain(name, Math.min(levels, Math.floor(MOST_REQUESTED / (name.length + 1))))}`;
  switch (random.below(7)) {
    case 0:
      return request({ command: "dir", path: random.below(2) ? path : "top", recursive: true });
    case 1:
      return request({ command: "stat", path });
    case 2:
      return upload(`${path}/file`, new Uint8Array(10));
    case 3:
      return request({ command: "mkdir", path, parents: true });
    case 4:
      return request({ command: "rename", path, to: `new/${random.below(3)}` });
    case 5:
      return request({ command: "rename", path: `new/${random.below(3)}`, to: path });
    default:
      return request({ command: "remove", path, recursive: random.below(2) === 0 });
  }
}

/** Fails unless a listing goes to the end of a tree of single directories, or says where it does not. */
function checkListing(entries: readonly Entry[], levels: number): void {
  const last = entries.at(-1);
  const listed = last ? last.path.split("/").length : 0;
  assertLessOrEqual(listed, levels);
  assert(listed === levels || last?.unreadable, `the listing ends at level ${listed} of ${levels} without a word`);
}

/** Clients that make trees deeper and deeper, and list, move and remove them; the owner does that too. */
class Depth extends Siege {
  static async open(): Promise<Depth> {
    return new Depth(...await Siege.prepare());
  }

  protected override async attack(random: Random): Promise<void> {
    const name = "d".repeat(random.pick([1, 1, 1, 20, 255]));
    using guest = await this.guest();
    try {
      if (random.below(3) === 0) await this.#ownersTree(random, name, guest);
      else await this.#clientsTree(random, name, guest);
      for (const name of this.names) await this.#remove(guest, name);
      assertEquals(this.names, [], "what was removed is there");
    } finally {
      this.clear();
    }
  }

  async #clientsTree(random: Random, name: string, guest: Guest): Promise<void> {
    using other = await this.guest();
    const asks = grow(random, name);
    const others = Array.from({ length: random.below(2) * 50 }, () => disturb(random, name));
    const all = [guest, other].map(async (each, i) => {
      const own = i === 0 ? asks : others;
      await each.send(...own);
      await each.answers(own.length);
    });
    await Promise.all(all);
    for (let i = random.below(5); i > 0; i--) await guest.ask(disturb(random, name));
    await guest.list("");
  }

  async #ownersTree(random: Random, name: string, guest: Guest): Promise<void> {
    const levels = random.pick(DEPTHS);
    this.#build(name, levels);
    if (Math.min(levels, MOST_BYTES / (name.length + 1)) <= MOST_LISTED) {
      const { outcome, entries } = await guest.list("top");
      assertEquals(outcome, "ok");
      checkListing(entries, levels);
      this.seen.add("listed");
    }
    if (random.below(2)) return;
    const [from, to] = [`top/${name}`, `new/${chain(name, random.pick([1, MOST_NAMES - 1]))}`];
    await guest.ask(request({ command: "mkdir", path: to.slice(0, to.lastIndexOf("/")), parents: true }));
    await guest.ask(request({ command: "rename", path: from, to }));
  }

  /** Makes a tree of so many levels, of which no path may be longer than the system takes. */
  #build(name: string, levels: number): void {
    const { root } = this.grounds;
    const atOnce = Math.floor((MOST_BYTES - root.length - 10) / (name.length + 1));
    for (let left = levels; left > 0; left -= atOnce) {
      const part = `${root}/part/${chain(name, Math.min(left, atOnce) - 1)}`;
      Deno.mkdirSync(part, { recursive: true });
      if (left < levels) Deno.renameSync(`${root}/top`, `${part}/${name}`);
      else Deno.mkdirSync(`${part}/${name}`);
      // The top of the new part becomes the top of all.
      Deno.renameSync(`${root}/part`, `${root}/top`);
    }
  }

  async #remove(guest: Guest, name: string): Promise<void> {
    const outcome = await guest.ask(request({ command: "remove", path: name, recursive: true }));
    assertEquals(outcome, "ok", `a tree cannot be removed that was made`);
  }
}

/** No command makes what another cannot handle, and nobody is hurt by what is deeper than a path can be. */
export const DEPTH: Target = { name: "depth", share: 0.03, atOnce: 1, isTimed: true, open: () => Depth.open() };
