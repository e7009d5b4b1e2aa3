import { networkOf } from "../transport/address.ts";
import { FerryError } from "../core/errors.ts";
import type { Limits } from "../access/limits.ts";

/** A session as far as its place may be taken from it. */
export interface Evictable {
  /** Since when its client has done nothing, on the clock of `performance.now()`, in ms; undefined while it works. */
  idleSince(now: number): number | undefined;
  /** Ends it, for a reason that its client may hear. */
  refuse(reason: FerryError): void;
}

/** Counts the sessions of a server, so that nobody takes all of it. */
export class ConnectionLimiter {
  readonly #limits: Pick<Limits, "connections" | "connectionsPerAddress">;
  readonly #sessions = new Map<string, Set<Evictable>>();
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
  enter(address: string, session: Evictable): () => void {
    const { connections, connectionsPerAddress } = this.#limits;
    const network = networkOf(address);
    const count = this.#sessions.get(network)?.size ?? 0;
    if (count >= connectionsPerAddress) throw busy(`${connectionsPerAddress} connections from one address`);
    if (this.#total >= connections && !this.#makeRoom(2 * (count + 1))) throw busy(`${connections} connections`);
    this.#total++;
    const sessions = this.#sessions.get(network) ?? new Set();
    this.#sessions.set(network, sessions.add(session));
    return () => this.#leave(network, session);
  }

  /** Ends one session of the busiest network, if that has more than `most` and one of them is idle. */
  #makeRoom(most: number): boolean {
    let [busiest, candidates] = ["", new Set<Evictable>()];
    for (const [network, sessions] of this.#sessions) {
      if (sessions.size > candidates.size) [busiest, candidates] = [network, sessions];
    }
    if (candidates.size <= most) return false;
    let idlest: Evictable | undefined;
    let since = Infinity;
    const now = performance.now();
    for (const session of candidates) {
      const idleSince = session.idleSince(now) ?? Infinity;
      if (idleSince < since) [idlest, since] = [session, idleSince];
    }
    if (!idlest) return false;
    this.#leave(busiest, idlest);
    idlest.refuse(new FerryError("Busy", "the server is full, and this session was idle for longest; connect again"));
    return true;
  }

  /** Does nothing for one that has left already. */
  #leave(network: string, session: Evictable): void {
    const sessions = this.#sessions.get(network);
    if (!sessions?.delete(session)) return;
    this.#total--;
    if (sessions.size === 0) this.#sessions.delete(network);
  }
}

function busy(limit: string): FerryError {
  return new FerryError("Busy", `the server's limit of ${limit} is reached; try again later`);
}
