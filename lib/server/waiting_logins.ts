import { networkOf } from "../transport/address.ts";
import { FerryError } from "../core/errors.ts";

/** A connection whose client has not shown yet who it is. */
interface WaitingLogin {
  readonly network: string;
  end(reason: FerryError): void;
}

/** The connections whose clients have not shown yet who they are. */
export class WaitingLogins {
  readonly #most: number;
  /** The oldest first. */
  readonly #logins = new Map<Deno.TcpConn, WaitingLogin>();

  /** @param most How many there may be. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Adds a connection as it was accepted. When there are too many then, one ends: the oldest of the address that has
   * most, so that many from one place do not harm the few from others.
   *
   * @param end Ends the connection, for a reason that its client may hear.
   */
  add(conn: Deno.TcpConn, end: WaitingLogin["end"]): void {
    this.#logins.set(conn, { network: networkOf(conn.remoteAddr.hostname), end });
    if (this.#logins.size > this.#most) this.#endOne();
  }

  /** Sets another way to end a connection, if it is still here. */
  change(conn: Deno.TcpConn, end: WaitingLogin["end"]): void {
    const login = this.#logins.get(conn);
    if (login) login.end = end;
  }

  /** Takes a connection away: its client is known now, or gone. */
  delete(conn: Deno.TcpConn): void {
    this.#logins.delete(conn);
  }

  #endOne(): void {
    const byNetwork = Map.groupBy(this.#logins, ([, { network }]) => network);
    let busiest: [Deno.TcpConn, WaitingLogin][] = [];
    for (const each of byNetwork.values()) if (each.length > busiest.length) busiest = each;
    const [oldest] = busiest;
    if (!oldest) return;
    this.#logins.delete(oldest[0]);
    oldest[1].end(new FerryError("Busy", "too many clients are connecting at once; try again"));
  }
}
