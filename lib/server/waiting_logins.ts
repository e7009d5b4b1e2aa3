import { networkOf } from "../transport/address.ts";
import { FerryError } from "../core/errors.ts";

interface Stranger {
  readonly network: string;
  end(reason: FerryError): void;
}

/** The connections whose clients have not shown yet who they are. */
export class WaitingLogins {
  readonly #most: number;
  /** The oldest first. */
  readonly #strangers = new Map<Deno.TcpConn, Stranger>();

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
  add(conn: Deno.TcpConn, end: Stranger["end"]): void {
    this.#strangers.set(conn, { network: networkOf(conn.remoteAddr.hostname), end });
    if (this.#strangers.size > this.#most) this.#endOne();
  }

  /** Sets another way to end a connection, if it is still here. */
  change(conn: Deno.TcpConn, end: Stranger["end"]): void {
    const stranger = this.#strangers.get(conn);
    if (stranger) stranger.end = end;
  }

  /** Takes a connection away: its client is known now, or gone. */
  delete(conn: Deno.TcpConn): void {
    this.#strangers.delete(conn);
  }

  #endOne(): void {
    const byNetwork = Map.groupBy(this.#strangers, ([, { network }]) => network);
    let crowd: [Deno.TcpConn, Stranger][] = [];
    for (const each of byNetwork.values()) if (each.length > crowd.length) crowd = each;
    const [oldest] = crowd;
    if (!oldest) return;
    this.#strangers.delete(oldest[0]);
    oldest[1].end(new FerryError("Busy", "too many clients are connecting at once; try again"));
  }
}
