import { setTimeout } from "node:timers/promises";
import { FerryError, toFerryError } from "../core/errors.ts";
import { unlessAborted } from "./abort.ts";
import { type Client, connect, type ConnectOptions } from "./client.ts";

/** How often in a row a connection is made again by default. */
export const DEFAULT_RETRIES = 5;

/** The pause before the first new attempt, in ms; it doubles with each that follows. */
const FIRST_PAUSE_MS = 200;

/** The longest pause between two attempts, in ms. */
const MAX_PAUSE_MS = 10_000;

/** How a link keeps connected. */
export interface LinkOptions extends Omit<ConnectOptions, "signal"> {
  /** How often in a row, without any progress between, a lost connection is made again. */
  readonly retries?: number | undefined;
  /** Told when a connection was lost, whoever ended it. */
  readonly onLost?: ((reason: FerryError) => void) | undefined;
}

/** Whether a failure is the connection's and not the command's. A server ends what stands still with `Timeout`. */
export function isLoss({ code }: FerryError): boolean {
  return code === "Disconnected" || code === "ShuttingDown" || code === "Timeout";
}

/** Whether a failure on a connection that is still there may be gone at the next attempt. */
function mayPass({ code }: FerryError, afterLoss: boolean): boolean {
  // The server ends a connection on which something arrived damaged, but may say so first.
  if (code === "Corrupt") return true;
  // It may hold for a moment longer what a lost connection was writing.
  return afterLoss && (code === "Unreachable" || code === "Busy");
}

/** A connection to a server that comes back when it is lost. */
export class Link implements AsyncDisposable {
  readonly #options: LinkOptions;
  #client: Client | undefined;
  #connecting: Promise<Client> | undefined;
  /** Aborted by `close`, which puts a new one in its place for what begins after it. */
  #closing = new AbortController();
  /** Losses and failed attempts since something last succeeded. */
  #failures = 0;
  /** The pause before the next attempt, one for all commands, so that they go on in the order they had. */
  #recovering: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Whether there is a connection now. */
  get connected(): boolean {
    return this.#client !== undefined;
  }

  /** The connection; a new one when there is none, or none any more. */
  async client(signal?: AbortSignal): Promise<Client> {
    if (this.#client) return this.#client;
    // Shared by all who wait: one of them that gives up must not stop the others.
    this.#connecting ??= this.#connect().finally(() => this.#connecting = undefined);
    return await unlessAborted(this.#connecting, signal);
  }

  /**
   * Runs an operation, again and again while it fails because the connection was lost. It must do no harm when it
   * is run twice, and call `progressed` when it gets somewhere, so that it may go on for ever on a bad network.
   * `isRepeated` says that an earlier attempt may have succeeded without our knowing.
   *
   * @param retries How often in a row without progress; by default what the link was made with.
   */
  async run<T>(
    operation: (client: Client, progressed: () => void, isRepeated: boolean) => Promise<T>,
    { signal, retries = this.#options.retries ?? DEFAULT_RETRIES }: {
      signal?: AbortSignal | undefined;
      retries?: number | undefined;
    } = {},
  ): Promise<T> {
    const progressed = () => this.#failures = 0;
    const { closing } = this;
    let isRepeated = false;
    for (let vain = 0, lost = this.#failures > 0;;) {
      let client: Client | undefined;
      try {
        client = await this.client(signal);
        const result = await operation(client, progressed, isRepeated);
        progressed();
        return result;
      } catch (thrown) {
        const error = toFerryError(thrown);
        if (client && (client.hasEnded || isLoss(error))) this.#lose(client, error);
        else if (!mayPass(error, lost) || vain++ >= retries) throw thrown;
        if (signal?.aborted) throw thrown;
        throwIfClosed(closing);
        if (this.#failures > retries) {
          this.#failures = 0;
          throw thrown;
        }
        lost = true;
        isRepeated ||= client !== undefined;
        await unlessAborted(this.#recovering ??= this.#pause().finally(() => this.#recovering = undefined), signal);
        throwIfClosed(closing);
      }
    }
  }

  /** Aborted by the next `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Ends the session as `Client.close` does: waits for the commands that are under way, however long they take. What
   * would be run again fails with `Cancelled`: one that waits in a pause or for the connection at once, one whose
   * connection is lost now then. What begins after this call makes a new connection. Never throws.
   */
  async close(): Promise<void> {
    // That it has ended already is no failure.
    await (await this.#release())?.close().catch(() => {});
  }

  /** Ends the session as `close` does, but what is under way for 2 s more is given up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#release())?.[Symbol.asyncDispose]();
  }

  /** Lets go of the connection, and gives up one that is being made. */
  async #release(): Promise<Client | undefined> {
    this.#closing.abort();
    this.#closing = new AbortController();
    await this.#connecting?.catch(() => {});
    const client = this.#client;
    this.#client = undefined;
    return client;
  }

  async #connect(): Promise<Client> {
    try {
      const client = await connect({ ...this.#options, signal: this.#closing.signal });
      this.#client = client;
      void client.ended.then((reason) => this.#lose(client, reason));
      return client;
    } catch (error) {
      this.#failures++;
      throw error;
    }
  }

  /** Counts a lost connection once, whoever reports it, and lets it go. */
  #lose(client: Client, reason: FerryError): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#failures++;
    void client[Symbol.asyncDispose]();
    this.#options.onLost?.(reason);
  }

  async #pause(): Promise<void> {
    // Up to half of it is left out at random, so that many clients of a server that comes back do not all come at once.
    const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, this.#failures - 1));
    const ms = pause * (0.5 + Math.random() / 2);
    // It ends early when the link is closed.
    await setTimeout(ms, undefined, { signal: this.closing }).catch(() => {});
  }
}

/** @throws {FerryError} `Cancelled` when a link was closed to which the signal belongs. */
export function throwIfClosed(closing: AbortSignal): void {
  if (closing.aborted) throw new FerryError("Cancelled", "the connection was closed");
}
