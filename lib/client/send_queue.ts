import type { Sending } from "./exchange_request.ts";

/** Lets one at a time send, in the order in which they ask. */
export class SendQueue {
  /** The turn of the last one who asked. */
  #last: Promise<void> = Promise.resolve();
  /** How many have the turn or wait for it. */
  #length = 0;

  /**
   * Waits for the turn.
   *
   * @param who Gives up waiting when it is settled.
   * @returns To be called when the turn is over, or was given up.
   */
  async enter(who?: Pick<Sending, "settling">): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    this.#length++;
    const leave = () => {
      this.#length--;
      resolve();
    };
    if (this.#length === 1) return leave;
    await (who ? Promise.race([before, who.settling]) : before);
    return () => void before.then(leave);
  }
}
