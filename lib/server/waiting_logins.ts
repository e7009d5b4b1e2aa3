import { FerryError } from "../core/errors.ts";

/** A connection whose client has not shown yet who it is. */
export interface WaitingLogin {
  readonly network: string;
  /** Ends the connection, for a reason that its client may hear. */
  end(reason: FerryError): void;
}

/** The connections whose clients have not shown yet who they are. */
export class WaitingLogins {
  readonly #most: number;
  /** The oldest first. */
  readonly #logins = new Set<WaitingLogin>();

  /** @param most How many there may be. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Adds a connection as it was accepted. When there are too many then, one ends: the oldest of the address that has
   * most, so that many from one place do not harm the few from others.
   */
  add(login: WaitingLogin): void {
    this.#logins.add(login);
    if (this.#logins.size <= this.#most) return;
    const byNetwork = Map.groupBy(this.#logins, ({ network }) => network);
    const [oldest] = [...byNetwork.values()].reduce((busiest, each) => each.length > busiest.length ? each : busiest);
    if (!oldest) return;
    this.#logins.delete(oldest);
    oldest.end(new FerryError("Busy", "too many clients are connecting at once; try again"));
  }

  /** Takes a connection away: its client is known now, or gone. */
  delete(login: WaitingLogin): void {
    this.#logins.delete(login);
  }
}
