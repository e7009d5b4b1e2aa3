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

/** How often in a row what may pass by itself is tried again: bytes that were damaged, a file that is busy after a loss. */
const MAX_VAIN = 5;

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

/**
 * Repeats what has failed because a connection was lost. All operations of a transfer share one, and so the pause before
 * the next attempt: they go on in the order that they had.
 */
export class Retry {
  readonly #retryMs: number;
  readonly #closing: AbortSignal | undefined;
  /** Losses since something last succeeded or got somewhere. */
  #failures = 0;
  /** The time since the first of these, as far as it counts, in ms. */
  #spentMs = 0;
  #lostAt = 0;
  #hasGivenUp = false;
  /** How many losses there were in all. */
  #losses = 0;
  /** Whether there was a connection: only then may the server come back. */
  #wasConnected = false;
  #pausing: Promise<void> | undefined;

  /** For the operations of one transfer. */
  constructor({ retryMs = DEFAULT_RETRY_MS, closing }: RetryOptions = {}) {
    this.#retryMs = retryMs;
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
    // What begins after the others gave up has all the time again.
    if (this.#hasGivenUp) this.#gotOn();
    let known = this.#losses;
    let wasLost = this.#failures > 0;
    let vain = 0;
    return {
      progressed: () => {
        this.#gotOn();
        this.#wasConnected = true;
        vain = 0;
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
        // It may hold for a moment longer what a lost connection was writing.
        const mayPass = code === "Corrupt" || wasLost && code === "Busy";
        if (!isLost && !(mayPass && this.#retryMs > 0 && vain++ < MAX_VAIN)) throw thrown;
        if (isLost) this.#lose(known);
        if (signal?.aborted) throw thrown;
        throwIfClosed(this.#closing);
        if (this.#spentMs >= this.#retryMs) {
          this.#hasGivenUp = true;
          throw thrown;
        }
        wasLost = true;
        await unlessAborted(this.#pausing ??= this.#pause().finally(() => this.#pausing = undefined), signal);
        throwIfClosed(this.#closing);
        known = this.#losses;
      },
    };
  }

  /** Counts a loss once, however many operations it has ended. @param known The losses before they began. */
  #lose(known: number): void {
    this.#wasConnected = true;
    if (known < this.#losses) return;
    const now = performance.now();
    if (this.#failures > 0) this.#spentMs += Math.min(now - this.#lostAt, MAX_COUNTED_MS);
    this.#lostAt = now;
    this.#losses++;
    this.#failures++;
  }

  #gotOn(): void {
    this.#failures = 0;
    this.#spentMs = 0;
    this.#hasGivenUp = false;
  }

  async #pause(): Promise<void> {
    // Up to half of it is left out at random, so that many clients of a server that comes back do not all come at once.
    const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, this.#failures - 1));
    // The last attempt comes when the time is over.
    const ms = Math.min(pause * (0.5 + Math.random() / 2), this.#retryMs - this.#spentMs);
    await setTimeout(ms, undefined, this.#closing ? { signal: this.#closing } : {}).catch(() => {});
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
