import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { concat } from "../helpers/frames.ts";
import { Grounds } from "../helpers/attack_grounds.ts";
import { AttackedServer } from "../helpers/attack_server.ts";
import { serverAccess } from "../helpers/process.ts";
import type { Random } from "../helpers/random.ts";
import { within } from "../helpers/raw.ts";
import { Guest, request } from "./guest.ts";
import { type Cases, Tally } from "./target.ts";

/** A file that no attacker names, for another client to read. */
const STILL = "still";
export const STILL_CONTENT = new TextEncoder().encode("nobody touches this");

/** How long another client may wait for an answer while all of this goes on, and how long a case may take, in ms. */
const ANSWER_MS = 15_000;
const CASE_MS = 180_000;

/** How often another client asks for something, in ms. */
const PAUSE_MS = 20;

/** A real server in a process of its own, and what must hold after each case, whatever was done to it. */
export abstract class Siege implements Cases {
  readonly seen = new Tally();
  readonly grounds: Grounds;
  readonly server: AttackedServer;
  /** Another client, which was there before. */
  readonly #neighbour: Guest;

  protected constructor(grounds: Grounds, server: AttackedServer, neighbour: Guest) {
    this.grounds = grounds;
    this.server = server;
    this.#neighbour = neighbour;
  }

  /** What a siege needs. */
  static async prepare(): Promise<[Grounds, AttackedServer, Guest]> {
    const grounds = await Grounds.create();
    Deno.writeFileSync(`${grounds.root}/${STILL}`, STILL_CONTENT);
    const server = await AttackedServer.start(grounds.root, grounds.log, { access: serverAccess(grounds.root) });
    return [grounds, server, await Guest.connect(server.address, grounds, () => {})];
  }

  /** Does one random thing to the server. */
  protected abstract attack(random: Random): Promise<void>;

  async run(random: Random): Promise<void> {
    const attack = within(this.attack(random), "the end of the attack", CASE_MS);
    try {
      await Promise.all([attack, this.#stayBeside(attack)]);
    } catch (error) {
      await this.server.assertRuns(1000);
      throw error;
    } finally {
      // Whatever else is wrong, this is worse.
      this.grounds.checkOutside();
    }
    await this.#check();
  }

  /** Another client to attack with. */
  protected guest(): Promise<Guest> {
    return Guest.connect(this.server.address, this.grounds, (outcome) => this.seen.add(outcome));
  }

  /** Everything inside but the file of the other client. @returns The names. */
  protected get names(): string[] {
    return Array.from(Deno.readDirSync(this.grounds.root), ({ name }) => name).filter((name) => name !== STILL);
  }

  /** Removes everything inside, not by the server: with a program that can do that at any depth. */
  protected clear(): void {
    const paths = this.names.map((name) => `${this.grounds.root}/${name}`);
    if (paths.length === 0) return;
    const { success, stderr } = new Deno.Command("rm", { args: ["-rf", ...paths] }).outputSync();
    assert(success, new TextDecoder().decode(stderr));
  }

  /** Asks for the same file now and then until an attack has ended. */
  async #stayBeside(attack: Promise<void>): Promise<void> {
    let isOver = false;
    const over = attack.catch(() => {}).then(() => isOver = true);
    while (!isOver) {
      await this.#getStill();
      await Promise.race([over, delay(PAUSE_MS)]);
    }
  }

  /** Asks one thing as another client that was there before, within the time that an answer may take. */
  async #getStill(): Promise<void> {
    const data: Uint8Array[] = [];
    const asked = this.#neighbour.ask(request({ command: "get", path: STILL }), ({ kind, payload }) => {
      if (kind === "data") data.push(payload);
    });
    assertEquals(await within(asked, "the answer to another client", ANSWER_MS), "ok");
    assertEquals(concat(...data), STILL_CONTENT);
  }

  /** Fails unless the server lives, answers old and new clients, and has had no trouble that clients must not cause. */
  async #check(): Promise<void> {
    await this.server.assertRuns();
    await this.#getStill();
    using late = await this.guest();
    assertEquals(await late.ask(request({ command: "stat" })), "ok");
    for (const line of this.server.log.split("\n")) {
      const isTrouble = /"outcome":"Internal"/.test(line) || /"event":"warning"/.test(line);
      assert(!isTrouble, `the server says: ${line.slice(0, 1000)}`);
    }
    this.server.forgetLog();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#neighbour[Symbol.dispose]();
    await this.server[Symbol.asyncDispose]();
    await this.grounds[Symbol.asyncDispose]();
  }
}

/** Runs several attackers side by side, each on a connection of its own, until all have ended. */
export async function allTogether(attacks: readonly ((guest: Guest) => Promise<void>)[], come: () => Promise<Guest>) {
  await using guests = new AsyncDisposableStack();
  const works = await Promise.all(attacks.map(async (attack) => {
    const guest = guests.use(await come());
    return () => attack(guest);
  }));
  const results = await Promise.allSettled(works.map((work) => work()));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
