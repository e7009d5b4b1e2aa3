import { Condition } from "../core/condition.ts";
import type { Entry } from "../core/metadata.ts";
import { FerryError } from "../core/errors.ts";
import { parseRemotePath } from "../core/remote_path.ts";
import type { Exchange } from "./exchange.ts";

/** How much of a listing may wait for a slow consumer before receiving is held up, in bytes of memory. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** How much of it is kept while another command waits behind it, in bytes of memory. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/** What an entry takes beside its name, which takes one or two bytes a character, in bytes; measured. */
const ENTRY_BYTES = 120;

/**
 * A listing as it arrives. When the consumer is slow the server is held up, except when another command waits for
 * its answer behind the listing: then what comes is kept in memory, since nobody else could free the way.
 */
export async function* listing(
  pipeline: Exchange,
  path: string | undefined,
  { recursive, signal }: { recursive?: boolean; signal?: AbortSignal | undefined },
): AsyncIterableIterator<Entry> {
  let waiting: Entry[] = [];
  let waitingBytes = 0;
  /** What the consumer is at counts, too. */
  let usedBytes = 0;
  const arrived = new Condition();
  const stop = new AbortController();
  let finished = false;
  let count = 0;
  const sink = {
    async entries(entries: Entry[]) {
      for (const entry of entries) {
        waiting.push(checkEntry(entry));
        waitingBytes += 2 * (entry.path.length + (entry.reason?.length ?? 0)) + ENTRY_BYTES;
      }
      if (usedBytes + waitingBytes > MAX_KEPT_BYTES) {
        waiting = [];
        throw tooMuch();
      }
      count += entries.length;
      arrived.notifyAll();
      while (waitingBytes >= MAX_WAITING_BYTES && !pipeline.crowded && !finished && !stop.signal.aborted) {
        await pipeline.changed.next;
      }
    },
  };
  const answer = pipeline.ask(
    { command: "dir", path, recursive },
    { sink, signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal },
  );
  const settled = answer.then(() => {}, () => {}).then(() => {
    finished = true;
    arrived.notifyAll();
  });
  try {
    while (!finished || waiting.length > 0) {
      const batch = waiting;
      usedBytes = waitingBytes;
      waiting = [];
      waitingBytes = 0;
      pipeline.changed.notifyAll();
      yield* batch;
      if (!finished && waiting.length === 0) await arrived.next;
    }
    const { entries } = await answer;
    if (entries !== count) throw new FerryError("Corrupt", "part of the listing is missing");
  } finally {
    stop.abort();
    pipeline.changed.notifyAll();
    await settled;
  }
}

function tooMuch(): FerryError {
  return new FerryError(
    "TooLarge",
    "too much of it waits to be used while another command waits behind it; use a connection for each",
  );
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
