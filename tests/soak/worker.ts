import { FerryError } from "../../lib/mod.ts";
import type { Grounds } from "../helpers/attack_grounds.ts";
import type { Address } from "../helpers/proxy.ts";
import { Random } from "../helpers/random.ts";
import { within } from "../helpers/raw.ts";
import { NothingToDo } from "./actions/action.ts";
import { ACTIONS } from "./actions/mod.ts";
import { Line } from "./line.ts";
import { Model, Wrong } from "./model.ts";
import type { SoakServer } from "./server.ts";
import { pickWeighted, type Tally } from "./tally.ts";

/** After this a client gives up, in ms: some lines stand still for good. */
const PATIENCE_MS = 10_000;

/** Long after this an operation that was given up has not ended, in ms. */
const HANG_MS = 30_000;

/** What one client has to itself: a directory on the server, one on this machine, and the line between them. */
export interface Place {
  readonly server: SoakServer;
  readonly tally: Tally;
  /** Everything that is served, and what is around it. */
  readonly grounds: Grounds;
  /** The served directory. */
  readonly root: string;
  /** The name of its directory there. */
  readonly remote: string;
  /** Its directory on this machine. */
  readonly local: string;
}

/** One client over all rounds. */
export interface Lane {
  readonly place: Place;
  readonly model: Model;
  /** How many names it has made. */
  made: number;
}

/** One client that does this and that, and knows what must come of it. */
export class Worker {
  readonly line: Address;
  readonly #lane: Lane;
  readonly #seed: number;
  readonly #ending: AbortSignal;
  #link: Line;
  #repeats = 0;

  /**
   * @param line Where its connections go.
   * @param seed Decides what it does.
   * @param ending Aborted when it shall stop.
   */
  constructor(lane: Lane, line: Address, seed: number, ending: AbortSignal) {
    this.#lane = lane;
    this.line = line;
    this.#seed = seed;
    this.#ending = ending;
    this.#link = this.newLink();
  }

  get place(): Place {
    return this.#lane.place;
  }

  get model(): Model {
    return this.#lane.model;
  }

  /** The line that it uses most. */
  get link(): Line {
    return this.#link;
  }

  /** Another line. */
  newLink(connections = 1): Line {
    return new Line(this.place.server.at(this.line), connections, () => void this.#repeats++);
  }

  /** A name that was not used before. */
  newName(prefix: string): string {
    return `${prefix}${++this.#lane.made}`;
  }

  /** Does one thing after the other until the end. */
  async run(): Promise<void> {
    for (let i = 0; !this.#ending.aborted; i++) {
      // Each has numbers of its own, so that what is done does not depend on how long the last took.
      const random = new Random(this.#seed + i * 7919);
      const action = pickWeighted(random, WEIGHTS);
      const signal = AbortSignal.any([this.#ending, AbortSignal.timeout(PATIENCE_MS)]);
      const failed = await this.#tolerate(action, () => ACTIONS[action].run(this, random, signal));
      if (failed && signal.aborted || random.below(8) === 0) await this.#reconnect();
    }
    await this.#link.close();
  }

  /** Changes names; see `Model.change`. */
  async change(to: ReadonlyMap<string, string | null>, operation: () => Promise<unknown>): Promise<void> {
    const before = this.#repeats;
    await this.model.change(to, operation, () => this.#repeats > before);
  }

  async #reconnect(): Promise<void> {
    await this.#link.close();
    this.#link = this.newLink();
  }

  /** @returns Whether it failed in one of the ways in which it may fail on a bad line. */
  async #tolerate(action: string, operation: () => Promise<void>): Promise<boolean> {
    const { cases, failures } = this.place.tally;
    try {
      await within(operation(), `the end of ${action}`, HANG_MS);
      cases.add(action);
      return false;
    } catch (error) {
      if (error instanceof NothingToDo) return false;
      if (error instanceof FerryError && !/unexpected error/.test(error.message)) {
        cases.add(action);
        failures.add(error.code);
        return true;
      }
      throw new Wrong(`${this.place.remote}, ${action}: ${Deno.inspect(error)}`, { cause: error });
    }
  }
}

const WEIGHTS = Object.fromEntries(Object.entries(ACTIONS).map(([name, { weight }]) => [name, weight])) as Record<
  keyof typeof ACTIONS,
  number
>;
