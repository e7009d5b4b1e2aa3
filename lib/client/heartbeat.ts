import type { Connection } from "../transport/connection.ts";
import { ALIVE_INTERVAL_MS } from "../protocol/constants.ts";
import { FrameKind } from "../protocol/frames.ts";

/** How long a server may say nothing while it is its turn, in ms. One that works on something shows it every 10 s. */
const SILENCE_MS = 60_000;

/**
 * What a connection waits for: the server, to say something or to take what is sent; us, to use what was received, so
 * that nothing more is received meanwhile; or nothing of both.
 */
export type Awaited = "server" | "us" | undefined;

/**
 * Shows the server that we are there while it waits for us, and notices when it is gone. It counts intervals, not
 * time, so that none passes while this process is suspended.
 */
export class Heartbeat {
  readonly #connection: Connection;
  readonly #awaited: () => Awaited;
  readonly #onSilence: (seconds: number) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  /** The `progressAt` of the connection when we last looked. */
  #seen = 0;
  /** Intervals in a row in which nothing moved although the server was awaited. */
  #silent = 0;

  /**
   * @param awaited Says what the connection waits for.
   * @param onSilence Told when the server was silent for too long, and for how many seconds.
   */
  constructor(connection: Connection, awaited: () => Awaited, onSilence: (seconds: number) => void) {
    this.#connection = connection;
    this.#awaited = awaited;
    this.#onSilence = onSilence;
    this.#timer = setInterval(() => this.#look(), ALIVE_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const awaited = this.#awaited();
    const { progressAt } = this.#connection;
    const isSilent = awaited === "server" && progressAt === this.#seen;
    this.#seen = progressAt;
    this.#silent = isSilent ? this.#silent + 1 : 0;
    // When it cannot be sent the connection is lost, which shows elsewhere.
    if (awaited === "us") void this.#connection.send(FrameKind.alive).catch(() => {});
    if (this.#silent * ALIVE_INTERVAL_MS >= SILENCE_MS) this.#onSilence(SILENCE_MS / 1000);
  }
}
