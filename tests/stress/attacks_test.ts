import { assert, assertLess } from "@std/assert";
import type { Client } from "../../lib/mod.ts";
import { Attacked, type Attacker, moveFile, timeListings } from "../helpers/attacked.ts";
import type { AttackName } from "../helpers/attacks/attacker.ts";
import { CROWD, STRANGERS } from "../helpers/attacks/strangers.ts";
import { GREEDY } from "../helpers/attacks/floods.ts";

/** How long a `dir` may take for a bystander, in ms. */
const DIR_MS = 200;

/** The machine may be busy with something else; so often the bystander's time is taken before it counts as slow. */
const ATTEMPTS = 6;

/** What the server's process takes before it serves anybody, with what V8 leaves lying about when it is busy, in MiB. */
const IDLE_MIB = 256;

/** A connection that has done little has buffers of 4 KiB, and the objects of Deno, with TLS those of Node too. */
const SMALL_MIB = 0.25;

/** One that is used to the full has a buffer for receiving, two for sending, and a queue of requests, of 1 MiB each. */
const FULL_MIB = 4.5;

const FEW = IDLE_MIB + STRANGERS * SMALL_MIB;
const GREED = IDLE_MIB + GREEDY * FULL_MIB;
const MASS = IDLE_MIB + CROWD * SMALL_MIB;

/** An attack: how often it strikes before the bystander comes, and the memory that the server may take, in MiB. */
type Siege = readonly [name: AttackName, strikes: number, memory: number];

const IN_THE_CLEAR: readonly Siege[] = [
  ["silence", STRANGERS, FEW],
  ["slow hello", 1000, FEW],
  ["garbage", 100, FEW],
  ["oversize frames", 100, FEW],
  ["resets at accept", 100, FEW],
  ["resets in the hello", 100, FEW],
  ["resets in a get", 50, FEW],
  ["resets in a put", 50, FEW],
  ["slow requests", 1000, FEW],
  ["single bytes", 50, FEW],
  ["unread stats", 400, GREED],
  ["unread listings", GREEDY, GREED],
  ["unread downloads", GREEDY, GREED],
  ["stats", GREEDY, GREED],
  ["recursive listings", GREEDY, GREED],
  ["downloads", GREEDY, GREED],
  ["sums", GREEDY, GREED],
  ["block sums", GREEDY, GREED],
  ["refused uploads", 10, GREED],
  ["cancels", GREEDY, GREED],
  ["2,000 silent", CROWD, FEW],
  ["2,000 idle", CROWD, MASS],
  ["2,000 at work", CROWD, MASS],
];

const ENCRYPTED: readonly Siege[] = [
  ["silence", STRANGERS, FEW],
  ["half a ClientHello", STRANGERS, FEW],
  ["slow ClientHello", 1000, FEW],
  ["encrypted silence", 100, FEW],
  ["slow hello", 100, FEW],
  ["wrong secrets", 200, FEW],
  ["resets in the hello", 50, FEW],
  ["single bytes", 50, FEW],
  ["unread downloads", GREEDY, GREED],
];

/** Room for both ends of 2,000 connections, in two processes. */
const DESCRIPTORS = 2500;

function whyNot(): string | undefined {
  if (Deno.build.os !== "linux") {
    return "memory and descriptors of a process are counted in /proc, which only Linux has";
  }
  const limit = Number(/^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))?.[1]);
  return limit < DESCRIPTORS ? `a process may open ${limit} files, and ${DESCRIPTORS} are needed` : undefined;
}

const reason = whyNot();
if (reason) console.log(`Tests that attack are skipped: ${reason}.`);

/** Connects; a server that is asked by too many at once says that one should try again. */
async function comeIn(attacked: Attacked): Promise<Client> {
  for (let attempt = 1;; attempt++) {
    try {
      return await attacked.connect();
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/** Takes the bystanders' part while the attack goes on: one that was there before it, and one that comes now. */
async function standBy(attacked: Attacked, attacker: Attacker, before: Client) {
  const told: string[] = [];
  for (let attempt = 1;; attempt++) {
    const { median, p90, max } = await timeListings(before);
    told.push(`median ${median.toFixed(1)}, 90 % within ${p90.toFixed(1)}, all within ${max.toFixed(1)} ms`);
    if (p90 < DIR_MS) break;
    assert(attempt < ATTEMPTS, `dir was slow in every attempt:\n${told.join("\n")}`);
  }
  await using late = await comeIn(attacked);
  await moveFile(late);
  attacker.assertAttacking();
  console.log(`dir: ${told.join("; ")}; memory: ${attacked.peakMemory.toFixed(0)} MiB`);
}

for (const [encrypted, sieges] of [[false, IN_THE_CLEAR], [true, ENCRYPTED]] as const) {
  for (const [name, strikes, memory] of sieges) {
    const how = `serve()${encrypted ? " with TLS" : ""} serves others as well as ever under attack: ${name}`;
    Deno.test(how, { ignore: reason !== undefined }, async () => {
      await using attacked = await Attacked.start(encrypted);
      await using before = await attacked.connect();
      const { descriptors, sessions } = attacked;
      await using attacker = await attacked.attack(name, strikes);
      await standBy(attacked, attacker, before);
      await attacker.stop();
      await attacked.recovered(descriptors, sessions);
      assertLess(attacked.peakMemory, memory, "MiB of memory");
      await moveFile(before);
    });
  }
}
