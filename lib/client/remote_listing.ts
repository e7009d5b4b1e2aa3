import { Condition } from "../core/condition.ts";
import type { Entry } from "../core/metadata.ts";
import { FerryError } from "../core/errors.ts";
import { parseRemotePath, type RemotePath, ROOT } from "../core/remote_path.ts";
import type { RecursiveOptions } from "../storage/storage.ts";
import type { ConnectionPool } from "./connection_pool.ts";
import { type AnswerHandler, PendingRequest, type Wait } from "./pending_request.ts";

/** How much of a listing may wait for a slow consumer before the server is held up, in bytes of memory. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

/** What an entry takes beside its name and reason, which take one or two bytes a character, in bytes; measured. */
const ENTRY_BYTES = 120;

/** A listing on its way from the server to its reader. */
class ArrivingListing implements AnswerHandler {
  /** Notified when there is something new. */
  readonly arrived = new Condition();
  isOver = false;
  failure: FerryError | undefined;
  #waiting: Entry[] = [];
  #waitingBytes = 0;
  #count = 0;
  /** Lets receiving go on. */
  #release: (() => void) | undefined;

  /** All that waits. */
  take(): Entry[] {
    const entries = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#letGo();
    return entries;
  }

  entries(entries: Entry[]): Wait {
    for (const entry of entries) {
      this.#waiting.push(checkEntry(entry));
      this.#waitingBytes += 2 * (entry.path.length + (entry.reason?.length ?? 0)) + ENTRY_BYTES;
    }
    this.#count += entries.length;
    this.arrived.notifyAll();
    if (this.#waitingBytes >= MAX_WAITING_BYTES) return new Promise((resolve) => this.#release = resolve);
  }

  done(value: unknown): void {
    const { entries } = value as { entries: number };
    if (entries !== this.#count) this.failure = new FerryError("Corrupt", "part of the listing is missing");
    this.#end();
  }

  failed(error: FerryError): void {
    this.failure = error;
    this.#end();
  }

  #end(): void {
    this.isOver = true;
    this.arrived.notifyAll();
    this.#letGo();
  }

  #letGo(): void {
    this.#release?.();
    this.#release = undefined;
  }
}

/** The entries of a directory as they arrive. When the consumer is slow the server is held up. */
export async function* remoteListing(
  pool: ConnectionPool,
  path: RemotePath,
  { recursive, signal }: RecursiveOptions,
): AsyncGenerator<Entry> {
  const listing = new ArrivingListing();
  const request = { command: "dir", path: path === ROOT ? undefined : path, recursive } as const;
  const pending = new PendingRequest(request, listing, { signal });
  pool.submit(pending);
  try {
    for (;;) {
      const entries = listing.take();
      // To hand out nothing would take a moment, too, in which the end could be missed.
      if (entries.length > 0) yield* entries;
      else if (listing.isOver) break;
      else await listing.arrived.next;
    }
    if (listing.failure) throw listing.failure;
  } finally {
    pool.giveUp(pending);
  }
}

/** A hostile server must not be able to name something outside the directory that was asked for. */
function checkEntry(entry: Entry): Entry {
  try {
    parseRemotePath(entry.path);
  } catch (cause) {
    throw new FerryError("BadRequest", "the server listed a name that no server may use", { cause });
  }
  return entry;
}
