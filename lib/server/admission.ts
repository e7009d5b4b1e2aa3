import { networkOf } from "../net/address.ts";
import { FerryError } from "../protocol/errors.ts";
import type { Limits } from "./limits.ts";

/** Counts the sessions of a server, so that nobody takes all of it. */
export class Admission {
  readonly #limits: Pick<Limits, "connections" | "connectionsPerAddress">;
  readonly #sessions = new Map<string, number>();
  #total = 0;

  constructor(limits: Pick<Limits, "connections" | "connectionsPerAddress">) {
    this.#limits = limits;
  }

  /**
   * Counts a session of a client at `address`.
   *
   * @returns What to call when it has ended.
   * @throws {FerryError} `Busy` when there are too many.
   */
  enter(address: string): () => void {
    const { connections, connectionsPerAddress } = this.#limits;
    const network = networkOf(address);
    const count = this.#sessions.get(network) ?? 0;
    if (this.#total >= connections) throw busy(`${connections} connections`);
    if (count >= connectionsPerAddress) throw busy(`${connectionsPerAddress} connections from one address`);
    this.#total++;
    this.#sessions.set(network, count + 1);
    return () => this.#leave(network);
  }

  #leave(network: string): void {
    const count = this.#sessions.get(network) ?? 0;
    this.#total--;
    if (count > 1) this.#sessions.set(network, count - 1);
    else this.#sessions.delete(network);
  }
}

function busy(limit: string): FerryError {
  return new FerryError("Busy", `the server's limit of ${limit} is reached; try again later`);
}
