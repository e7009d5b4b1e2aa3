import { CONTENTS, Moves, type Step } from "../helpers/attack_moves.ts";
import { Random } from "../helpers/random.ts";
import { type Ask, type Guest, request, upload } from "./guest.ts";
import { allTogether, Siege, STILL_CONTENT } from "./siege.ts";
import type { Target } from "./target.ts";

/** How long attackers repeat what they do, in ms. */
const ATTACK_MS = 400;

function asked(step: Step): Ask {
  return step.command === "put" ? upload(step.path, step.content) : request({ ...step });
}

/** Clients that rename directories and links while others list, make and remove what is below them. */
class Structure extends Siege {
  static async open(): Promise<Structure> {
    return new Structure(...await Siege.prepare());
  }

  protected override async attack(random: Random): Promise<void> {
    this.clear();
    const moves = new Moves(random);
    moves.layOut(this.grounds.root);
    const lists = random.below(2) === 0;
    const works = [moves.swap];
    for (let i = random.below(5); i > 0; i--) works.push(lists ? moves.list() : moves.makeAndRemove());
    for (let i = random.below(4); i >= 0; i--) works.push(moves.something());
    if (random.below(4) === 0) works.push(new Moves(random).swap);
    const until = performance.now() + ATTACK_MS;
    const attacks = works.map((work) => {
      const [asks, own] = [work.map(asked), new Random(random.u32())];
      return (guest: Guest) => guest.repeat(asks, until, own);
    });
    await allTogether(attacks, () => this.guest());
    this.grounds.checkInside([...CONTENTS, STILL_CONTENT]);
  }
}

/** Nothing outside is touched or seen, in whatever order directories and links are moved, made, listed and removed. */
export const STRUCTURE: Target = {
  name: "structure",
  share: 0.2,
  atOnce: 1,
  isTimed: true,
  open: () => Structure.open(),
};
