import { Condition } from "../core/condition.ts";
import { type FerryError, toFerryError } from "../core/errors.ts";
import { eitherSignal, throwIfAborted } from "../core/unless_aborted.ts";
import { endsTransfer } from "./retry.ts";

/** How work on many entries goes on. */
export interface UnderWayOptions {
  readonly signal: AbortSignal | undefined;
  /** How many works may be under way at a time. */
  readonly most: number;
  /** Told of a failure of one entry; the others go on. */
  readonly onFailure: (path: string, error: FerryError) => void;
  /** Told when something has ended. */
  readonly onStep?: (() => void) | undefined;
}

/** Work on the entries of a tree, many at a time. A failure concerns one entry, unless it says that the connection is lost. */
export class UnderWay {
  /** Aborted when it ends early. */
  readonly signal: AbortSignal;
  readonly #options: UnderWayOptions;
  /** Aborted with the reason when nothing more can be done. */
  readonly #stop = new AbortController();
  #count = 0;
  /** Notified when something has ended. */
  readonly #finished = new Condition();

  constructor(options: UnderWayOptions) {
    this.#options = options;
    this.signal = eitherSignal(options.signal, this.#stop.signal);
  }

  /** To be waited for, again and again, until more may begin; undefined when it may. */
  room(): Promise<void> | undefined {
    return this.#count >= this.#options.most ? this.#finished.next : undefined;
  }

  /** Counts work on an entry as under way until it ends. */
  follow(path: string, work: Promise<void>): void {
    this.#count++;
    void work.catch((error) => this.fail(path, toFerryError(error))).finally(() => {
      this.#count--;
      this.#finished.notifyAll();
      this.#options.onStep?.();
    });
  }

  /** Says that something could not be done. */
  fail(path: string, error: FerryError): void {
    if (this.signal.aborted) return;
    // The others would all fail as this one did.
    if (endsTransfer(error.code)) this.#stop.abort(error);
    else this.#options.onFailure(path, error);
  }

  /**
   * Runs what begins the work, and waits for all of it.
   *
   * @throws {FerryError} What `begin` throws; what says that the connection is lost; `Cancelled`.
   */
  async run(begin: () => Promise<void>): Promise<void> {
    try {
      await begin();
    } catch (error) {
      if (endsTransfer(toFerryError(error).code)) this.#stop.abort(error);
      throw error;
    } finally {
      while (this.#count > 0) await this.#finished.next;
    }
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    throwIfAborted(this.signal);
  }
}
