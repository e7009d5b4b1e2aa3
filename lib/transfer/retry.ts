import { setTimeout } from "node:timers/promises";
import { type ErrorCode, FerryError, toFerryError } from "../core/errors.ts";
import { unlessAborted } from "../core/unless_aborted.ts";

/** How long to go on trying without any progress after a connection was lost, in ms, by default. */
export const DEFAULT_RETRY_MS = 5 * 60 * 1000;

/**
 * How much of the time between two losses counts, at most, in ms. No attempt takes longer, but a machine that slept in
 * between is to go on when it wakes up.
 */
const MAX_COUNTED_MS = 90_000;

/** How often in a row what was damaged on the way is tried again. */
const MAX_DAMAGED = 5;

/** The pause before the first new attempt, in ms; it doubles with each that follows. */
const FIRST_PAUSE_MS = 200;

/** The longest pause between two attempts, in ms. */
const MAX_PAUSE_MS = 10_000;

/** What says that a connection was lost, or cannot be made. A server ends stalled sessions with `Timeout`. */
const LOSSES: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["Disconnected", "ShuttingDown", "Timeout", "Unreachable"]);

/** Whether an operation failed because its connection was lost. */
export function isLoss(code: ErrorCode): boolean {
  return LOSSES.has(code);
}

/** Whether an operation failed for a reason for which all others of a transfer would fail, too. */
export function endsTransfer(code: ErrorCode): boolean {
  return isLoss(code) || code === "Kicked";
}

/** How to repeat. */
export interface RetryOptions {
  /** How long to go on trying without any progress after a connection was lost, in ms; not at all when 0. */
  readonly retryMs?: number | undefined;
  /** Aborting it ends all repeating: what waits for its next attempt fails with `Cancelled`. */
  readonly closing?: AbortSignal | undefined;
}

/** @throws {FerryError} `Cancelled` when that was closed to which the signal belongs. */
function throwIfClosed(closing: AbortSignal | undefined): void {
  if (closing?.aborted) throw new FerryError("Cancelled", "the connection was closed");
}

/** Failures without progress between, and how long they may go on. */
class Patience {
  readonly #mostMs: number;
  /** How many there were since the last progress. */
  #failures = 0;
  /** The time since the first of these, as far as it counts, in ms. */
  #spentMs = 0;
  #failedAt = 0;

  constructor(mostMs: number) {
    this.#mostMs = mostMs;
  }

  /** Whether there were failures since the last progress. */
  get isTried(): boolean {
    return this.#failures > 0;
  }

  /** Whether it is time to give up. */
  get isOver(): boolean {
    return this.#spentMs >= this.#mostMs;
  }

  /** How long to wait before the next attempt, in ms. */
  get pauseMs(): number {
    // Up to half of it is left out at random, so that many clients of a server that comes back do not all come at once.
    const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, this.#failures - 1));
    // The last attempt comes when the time is over.
    return Math.min(pause * (0.5 + Math.random() / 2), this.#mostMs - this.#spentMs);
  }

  failed(): void {
    const now = performance.now();
    if (this.isTried) this.#spentMs += Math.min(now - this.#failedAt, MAX_COUNTED_MS);
    this.#failedAt = now;
    this.#failures++;
  }

  renew(): void {
    this.#failures = this.#spentMs = 0;
  }
}

/**
 * Repeats what has failed because a connection was lost. All operations of a transfer share one, and so the pause before
 * the next attempt: they go on in the order that they had.
 */
export class Retry {
  readonly #retryMs: number;
  /** With losses, since something last succeeded or got somewhere. */
  readonly #patience: Patience;
  readonly #closing: AbortSignal | undefined;
  #hasGivenUp = false;
  /** How many losses there were in all. */
  #losses = 0;
  /** Whether there was a connection: only then may the server come back. */
  #wasConnected = false;
  #pausing: Promise<void> | undefined;

  /** For the operations of one transfer. */
  constructor({ retryMs = DEFAULT_RETRY_MS, closing }: RetryOptions = {}) {
    this.#retryMs = retryMs;
    this.#patience = new Patience(retryMs);
    this.#closing = closing;
  }

  /**
   * Runs an operation, again and again while it fails because the connection was lost. It must do no harm when it is run
   * twice, and call `progressed` when it gets somewhere, so that it may go on for ever on a bad network, and `ready` when
   * it has waited for others. `isRepeated` says that an earlier attempt may have succeeded without our knowing.
   */
  async run<T>(
    operation: (attempts: Attempts, isRepeated: boolean) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const attempts = this.begin();
    for (let isRepeated = false;; isRepeated = true) {
      const pausing = attempts.ready(signal);
      if (pausing) await pausing;
      try {
        const result = await operation(attempts, isRepeated);
        attempts.progressed();
        return result;
      } catch (error) {
        await attempts.recover(error, signal);
      }
    }
  }

  /** The attempts of an operation that cannot be given to `run`. */
  begin(): Attempts {
    // What begins after the others gave up gets the full time again.
    if (this.#hasGivenUp) this.#gotOn();
    let known = this.#losses;
    let wasLost = this.#patience.isTried;
    let damaged = 0;
    /** With who holds what is needed. */
    let held: Patience | undefined;
    return {
      progressed: () => {
        this.#gotOn();
        this.#wasConnected = true;
        damaged = 0;
        held = undefined;
      },
      ready: (signal) => {
        if (known === this.#losses && !this.#pausing) return undefined;
        wasLost = true;
        known = this.#losses;
        return this.#pausing && unlessAborted(this.#pausing, signal);
      },
      recover: async (thrown, signal) => {
        const { code } = toFerryError(thrown);
        const isLost = isLoss(code) && (code !== "Unreachable" || this.#wasConnected);
        const isDamaged = code === "Corrupt" && this.#retryMs > 0 && damaged++ < MAX_DAMAGED;
        // The server may hold for a while longer what a lost connection was writing.
        const isHeld = code === "Busy" && wasLost;
        if (!isLost && !isDamaged && !isHeld) throw thrown;
        if (isHeld) (held ??= new Patience(this.#retryMs)).failed();
        if (isLost) this.#lose(known);
        wasLost = true;
        await this.#wait(isHeld ? held : undefined, thrown, signal);
        known = this.#losses;
      },
    };
  }

  /** Waits for the next attempt. @throws `thrown` when there is none any more; {FerryError} `Cancelled`. */
  async #wait(held: Patience | undefined, thrown: unknown, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw thrown;
    throwIfClosed(this.#closing);
    if (held?.isOver) throw thrown;
    if (this.#patience.isOver) {
      this.#hasGivenUp = true;
      throw thrown;
    }
    // Nobody else waits for what is held.
    await unlessAborted(held ? this.#pause(held) : this.#pausing ??= this.#pauseTogether(), signal);
    throwIfClosed(this.#closing);
  }

  /** Counts a loss once, however many operations it has ended. @param known The losses before they began. */
  #lose(known: number): void {
    this.#wasConnected = true;
    if (known < this.#losses) return;
    this.#losses++;
    this.#patience.failed();
  }

  #gotOn(): void {
    this.#patience.renew();
    this.#hasGivenUp = false;
  }

  #pauseTogether(): Promise<void> {
    return this.#pause(this.#patience).finally(() => this.#pausing = undefined);
  }

  async #pause({ pauseMs }: Patience): Promise<void> {
    await setTimeout(pauseMs, undefined, this.#closing ? { signal: this.#closing } : {}).catch(() => {});
  }
}

/** The attempts of one operation; see {@linkcode Retry}. */
export interface Attempts {
  /** To be called when it gets somewhere. */
  progressed(): void;
  /** Waits for the end of a pause that others have begun meanwhile, if there is one. */
  ready(signal: AbortSignal | undefined): Promise<void> | undefined;
  /** Waits until it may be run again. @throws `thrown` when it may not; {FerryError} `Cancelled`. */
  recover(thrown: unknown, signal: AbortSignal | undefined): Promise<void>;
}
