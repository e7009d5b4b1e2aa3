import { assert } from "@std/assert";
import { Attacked, timeWaits, type Waits } from "../helpers/attacked.ts";
import type { AttackName } from "../helpers/attacks/attacker.ts";

/** How long `dir` of a small directory may take for a bystander, in ms: most often, and all but once in a thousand. */
const MEDIAN_MS = 50;
const MOST_MS = 200;

/** So often that is looked at, in at most so many ms. */
const LOOKS = 500;
const LOOKING_MS = 8_000;

/** A server that nobody attacks takes longer only when the machine is busy with something else, in ms. */
const FAIR_MS = 25;

/** The machine may be busy in a way that hurts the one server and not the other. */
const ATTEMPTS = 3;

/** How many names are in a directory that is large. */
const VERY_MANY = 100_000;

/** Attacks, how often each strikes before the bystanders come, and how many names are in the large directory. */
const ATTACKS: readonly (readonly [name: AttackName, strikes: number, names?: number])[] = [
  ["deep directories", 50],
  ["bad paths", 200],
  ["deep paths", 200],
  ["cancelled listings", 3, VERY_MANY],
  ["recursive listings of many", 3, VERY_MANY],
];

const ignore = Deno.build.os !== "linux";
if (ignore) console.log("Tests of attacks that take time are skipped: they look into /proc, which only Linux has.");

function isFast({ before, late }: Waits): boolean {
  return [before, late].every((times) => times.within(0.5) <= MEDIAN_MS && times.within(0.999) <= MOST_MS);
}

for (const [name, strikes, names] of ATTACKS) {
  Deno.test(`serve() answers others at once under attack: ${name}`, { ignore }, async () => {
    await using attacked = await Attacked.start(false, names);
    await using calm = await Attacked.start(false);
    await using attacker = await attacked.attack(name, strikes);
    const told: string[] = [];
    for (let attempt = 1;; attempt++) {
      const waits = await timeWaits(attacked, calm, LOOKS, LOOKING_MS, FAIR_MS);
      const { before, late, disturbed } = waits;
      assert(disturbed <= before.count + late.count, "the machine is too busy for this test");
      told.push(`before: ${before}; new: ${late}; ${disturbed} disturbed`);
      if (isFast(waits)) break;
      assert(attempt < ATTEMPTS, `dir was slow in every attempt:\n${told.join("\n")}`);
    }
    attacker.assertAttacking();
    console.log(`dir: ${told.join("\n")}; memory: ${attacked.peakMemory.toFixed(0)} MiB`);
  });
}
