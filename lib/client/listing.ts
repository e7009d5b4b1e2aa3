import { Bell } from "../protocol/bell.ts";
import type { Entry } from "../protocol/codec.ts";
import { FerryError } from "../protocol/errors.ts";
import { parseRemotePath } from "../storage/path.ts";
import type { Exchange } from "./exchange.ts";

/** Entries that may wait for the consumer before receiving is held up. */
const MAX_WAITING_ENTRIES = 4096;

/**
 * A listing as it arrives. When the consumer is slow the server is held up, except when another command waits for
 * its answer behind the listing: then the rest of the listing is kept in memory, since nobody else could free the way.
 */
export async function* listing(
  exchange: Exchange,
  path: string | undefined,
  { recursive, signal }: { recursive?: boolean; signal?: AbortSignal | undefined },
): AsyncIterableIterator<Entry> {
  let waiting: Entry[] = [];
  const changed = new Bell();
  const stop = new AbortController();
  let finished = false;
  let count = 0;
  const sink = {
    async entries(entries: Entry[]) {
      for (const entry of entries) waiting.push(checkEntry(entry));
      count += entries.length;
      changed.ring();
      while (waiting.length >= MAX_WAITING_ENTRIES && !exchange.crowded && !stop.signal.aborted) {
        await Promise.race([changed.next, exchange.changed]);
      }
    },
  };
  const answer = exchange.request(
    { command: "dir", path, recursive },
    { sink, signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal },
  );
  const settled = answer.then(() => {}, () => {}).then(() => {
    finished = true;
    changed.ring();
  });
  try {
    while (!finished || waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      changed.ring();
      yield* batch;
      if (!finished && waiting.length === 0) await changed.next;
    }
    const { entries } = await answer;
    if (entries !== count) throw new FerryError("Corrupt", "part of the listing is missing");
  } finally {
    stop.abort();
    changed.ring();
    await settled;
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
