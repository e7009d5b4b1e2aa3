import { cannot, FerryError, toFerryError } from "../core/errors.ts";
import { compareUtf8, listingKey } from "../core/listing_order.ts";
import type { Entry } from "../core/metadata.ts";
import { isIn } from "../core/remote_path.ts";
import type { RecursiveOptions } from "../storage/storage.ts";
import type { Place } from "./place.ts";
import { endsTransfer, type Retry } from "./retry.ts";

/** The failure to list what is in a directory that was listed as `unreadable`, with the reason that was given there. */
export function unreadable(path: string, reason = "something in it may not be listed"): FerryError {
  return cannot("list", path, new FerryError("Refused", reason));
}

/** Checks that entries come in order, each in a directory that was listed before, and no path as two kinds of things. */
class Order {
  #last = "";
  /** The lengths of those keys before that the last one begins with, and its own. */
  readonly #lengths: number[] = [];

  /** @throws {FerryError} `BadRequest`. */
  check(entry: Entry): void {
    const key = listingKey(entry);
    for (let length = this.#lengths.at(-1); length !== undefined; length = this.#lengths.at(-1)) {
      if (key.startsWith(this.#last.slice(0, length))) break;
      this.#lengths.pop();
    }
    const name = key.lastIndexOf("/", key.length - 2) + 1;
    // Between a file and a directory of one name come only keys that begin with it.
    const isThere = entry.kind === "directory" && this.#lengths.at(-1) === key.length - 1;
    if (isThere || name > 0 && !this.#lengths.includes(name)) throw notInOrder();
    this.#last = key;
    this.#lengths.push(key.length);
  }
}

function notInOrder(): FerryError {
  return new FerryError("BadRequest", "the listing is not in order");
}

/**
 * The entries of a directory. A listing whose connection was lost goes on after its last entry.
 *
 * @throws {FerryError} What the storage throws; `BadRequest` when the entries are not in order, a path is listed twice, or something
 * without the directory that it is in.
 */
export async function* listAgain(
  { storage, path, shown }: Place,
  { retry, signal, recursive }: RecursiveOptions & { readonly retry: Retry },
): AsyncGenerator<Entry> {
  const attempts = retry.begin();
  // Of all that is handed out: something may become something else while there is no connection.
  const order = new Order();
  let last: string | undefined;
  for (;;) {
    try {
      let previous: string | undefined;
      for await (const entry of storage.list(path, { recursive, signal })) {
        const key = listingKey(entry);
        // Going on after a loss depends on the order.
        if (previous !== undefined && compareUtf8(key, previous) <= 0) {
          throw notInOrder();
        }
        previous = key;
        if (last !== undefined && compareUtf8(key, last) <= 0) continue;
        order.check(entry);
        yield entry;
        last = key;
        attempts.progressed();
      }
      return;
    } catch (error) {
      const isOfAll = signal?.aborted || endsTransfer(toFerryError(error).code);
      await attempts.recover(isOfAll ? error : cannot("list", shown || "/", error), signal);
    }
  }
}

/** The entries of a listing that are not behind a link to a directory: what is there belongs elsewhere, too. */
export async function* notBehindLinks(entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  let link: string | undefined;
  for await (const entry of entries) {
    if (link !== undefined && isIn(entry.path, link)) continue;
    link = entry.link ? entry.path : undefined;
    yield entry;
  }
}
