import { networkOf } from "../transport/address.ts";
import { FerryError } from "../core/errors.ts";
import type { Limits } from "../access/limits.ts";

/** A session that was let in, or wants to be. */
export interface Guest {
  /** Since when its client has done nothing, on the clock of `performance.now()`, in ms; undefined while it works. */
  idleSince(now: number): number | undefined;
  /** Ends it, for a reason that its client may hear. */
  refuse(reason: FerryError): void;
}

/** Counts the sessions of a server, so that nobody takes all of it. */
export class ConnectionLimiter {
  readonly #limits: Pick<Limits, "connections" | "connectionsPerAddress">;
  readonly #guests = new Map<string, Set<Guest>>();
  #total = 0;

  constructor(limits: Pick<Limits, "connections" | "connectionsPerAddress">) {
    this.#limits = limits;
  }

  /**
   * Lets a session of a client at `address` in. When there are too many, and another network has more than twice as many
   * as this one would have, the one of that network that has been idle for longest makes room.
   *
   * @returns What to call when it has ended.
   * @throws {FerryError} `Busy` when there are too many.
   */
  enter(address: string, guest: Guest): () => void {
    const { connections, connectionsPerAddress } = this.#limits;
    const network = networkOf(address);
    const count = this.#guests.get(network)?.size ?? 0;
    if (count >= connectionsPerAddress) throw busy(`${connectionsPerAddress} connections from one address`);
    if (this.#total >= connections && !this.#makeRoom(2 * (count + 1))) throw busy(`${connections} connections`);
    this.#total++;
    const guests = this.#guests.get(network) ?? new Set();
    this.#guests.set(network, guests.add(guest));
    return () => this.#leave(network, guest);
  }

  /** Ends one session of the largest crowd, if that is larger than `most` and one of it is idle. */
  #makeRoom(most: number): boolean {
    let [crowded, crowd] = ["", new Set<Guest>()];
    for (const [network, guests] of this.#guests) if (guests.size > crowd.size) [crowded, crowd] = [network, guests];
    if (crowd.size <= most) return false;
    let idlest: Guest | undefined;
    let since = Infinity;
    const now = performance.now();
    for (const guest of crowd) {
      const idleSince = guest.idleSince(now) ?? Infinity;
      if (idleSince < since) [idlest, since] = [guest, idleSince];
    }
    if (!idlest) return false;
    this.#leave(crowded, idlest);
    idlest.refuse(new FerryError("Busy", "the server is full, and this session was idle for longest; connect again"));
    return true;
  }

  /** Does nothing for one that has left already. */
  #leave(network: string, guest: Guest): void {
    const guests = this.#guests.get(network);
    if (!guests?.delete(guest)) return;
    this.#total--;
    if (guests.size === 0) this.#guests.delete(network);
  }
}

function busy(limit: string): FerryError {
  return new FerryError("Busy", `the server's limit of ${limit} is reached; try again later`);
}
