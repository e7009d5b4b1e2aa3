import { FerryError } from "../core/errors.ts";
import type { FileMetadata } from "../core/metadata.ts";
import { unlessAborted } from "./abort.ts";
import type { Exchange } from "./exchange.ts";

/** Where a download goes, whatever it is. */
export interface Target {
  /** For messages; undefined for a stream. */
  readonly name: string | undefined;
  begin(metadata: FileMetadata): Promise<void>;
  write(bytes: Uint8Array): Promise<void> | void;
  commit(): Promise<unknown>;
  /** Gives up; a `write` that is under way is over then. */
  abort(error: unknown): Promise<void>;
}

/** How much is kept for a stream that is slow while another command waits for its answer behind the file, in bytes. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/** How long a stream for which so much is kept may take nothing while another command waits, in ms. */
const STUCK_MS = 60_000;

/**
 * A stream that the caller gave. When it is slow the server is held up, except when another command waits for its
 * answer behind the file: the stream may be waiting for that command, so some of the file is kept in memory then.
 */
export class StreamTarget implements Target {
  readonly name = undefined;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #pipeline: Pick<Exchange, "crowded" | "changed" | "hasFailed" | "ended">;
  readonly #signal: AbortSignal | undefined;
  /** Bytes that the stream has not taken yet. */
  #kept = 0;
  #takenAt = 0;
  #failure: { readonly reason: unknown } | undefined;
  #isOver = false;

  /** @param signal Ends waiting for the stream to close. */
  constructor(
    stream: WritableStream<Uint8Array>,
    pipeline: Pick<Exchange, "crowded" | "changed" | "hasFailed" | "ended">,
    signal: AbortSignal | undefined,
  ) {
    this.#writer = stream.getWriter();
    this.#pipeline = pipeline;
    this.#signal = signal;
  }

  async begin(): Promise<void> {}

  async write(bytes: Uint8Array): Promise<void> {
    this.#kept += bytes.length;
    void this.#hand(bytes.slice());
    await this.#room();
  }

  commit(): Promise<void> {
    return unlessAborted(this.#close(), this.#signal);
  }

  abort(error: unknown): Promise<void> {
    this.#isOver = true;
    this.#pipeline.changed.notifyAll();
    // Not awaited: a stream that takes nothing does not end either.
    this.#writer.abort(error).catch(() => {});
    return Promise.resolve();
  }

  /** Closes the stream when it has taken everything. The end of the connection ends the wait for that. */
  async #close(): Promise<void> {
    const { changed, ended } = this.#pipeline;
    while (this.#kept > 0 && !this.#isOver && !this.#pipeline.hasFailed) await changed.next;
    if (this.#kept > 0 && !this.#isOver) throw await ended;
    await this.#writer.close();
  }

  /** Gives the stream a piece, and notes when it was taken. Never rejects. */
  async #hand(bytes: Uint8Array): Promise<void> {
    try {
      await this.#writer.write(bytes);
      this.#kept -= bytes.length;
      this.#takenAt = performance.now();
    } catch (reason) {
      this.#isOver = true;
      this.#failure = { reason };
    }
    this.#pipeline.changed.notifyAll();
  }

  /** Waits until more may be received. */
  async #room(): Promise<void> {
    const { changed } = this.#pipeline;
    let crowdedAt: number | undefined;
    while (!this.#isOver && this.#kept > (this.#pipeline.crowded ? MAX_KEPT_BYTES : 0)) {
      if (!this.#pipeline.crowded) {
        crowdedAt = undefined;
        await changed.next;
        continue;
      }
      crowdedAt ??= performance.now();
      const left = Math.max(this.#takenAt, crowdedAt) + STUCK_MS - performance.now();
      if (left <= 0) throw stuck();
      const timer = setTimeout(() => changed.notifyAll(), left);
      await changed.next;
      clearTimeout(timer);
    }
    if (this.#failure) throw this.#failure.reason;
  }
}

function stuck(): FerryError {
  const seconds = STUCK_MS / 1000;
  return new FerryError(
    "Busy",
    `the stream has taken nothing for ${seconds} s, and another command waits behind it; use a connection for each`,
  );
}
