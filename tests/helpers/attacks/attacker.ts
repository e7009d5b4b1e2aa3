/**
 * A program for tests: attacks a server until it is killed, or its standard input ends. Says `attacking` once it has
 * struck so often as it was told.
 *
 * Arguments: the name of the attack, how often it strikes before it says so, the target as JSON.
 *
 * @module
 */
import { FLOODS } from "./floods.ts";
import { GUEST_ATTACKS } from "./guests.ts";
import type { Attack, Target } from "./hostile.ts";
import { RESET_ATTACKS } from "./resets.ts";
import { STALLS } from "./stalls.ts";
import { STRANGER_ATTACKS } from "./strangers.ts";

const ATTACKS = { ...STRANGER_ATTACKS, ...GUEST_ATTACKS, ...RESET_ATTACKS, ...FLOODS, ...STALLS };

/** The name of an attack. */
export type AttackName = keyof typeof ATTACKS;

async function main([name = "", enough = "", target = ""]: readonly string[]): Promise<void> {
  const attack: Attack | undefined = ATTACKS[name as AttackName];
  if (!attack) throw new Error(`there is no attack ${name}`);
  let struck = 0;
  const strike = () => {
    if (++struck === Number(enough)) console.log("attacking");
  };
  const attacking = attack(JSON.parse(target) as Target, strike);
  await Promise.race([attacking, Deno.stdin.readable.pipeTo(new WritableStream())]);
  Deno.exit();
}

if (import.meta.main) await main(Deno.args);
