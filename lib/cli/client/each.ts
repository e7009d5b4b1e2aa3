import { FerryError, hasCode, toFerryError } from "../../core/errors.ts";
import { endsTransfer } from "../../transfer/retry.ts";
import { explain } from "../terminal/explain.ts";
import { OutputClosed } from "../terminal/terminal.ts";
import { UsageError } from "../terminal/usage.ts";
import type { Invocation } from "./invocation.ts";

/** Requests that are under way together, so that a thousand names do not cost a thousand round trips. */
const AT_ONCE = 64;

/** What becomes of each item, in their order, while up to `atOnce` are under way. */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  act: (item: Item) => Promise<Result>,
  atOnce: number,
): AsyncGenerator<PromiseSettledResult<Result>> {
  const running: Promise<PromiseSettledResult<Result>[]>[] = [];
  try {
    for (const item of items) {
      running.push(Promise.allSettled([act(item)]));
      if (running.length === atOnce) yield* await running.shift() ?? [];
    }
    for (const results of running) yield* await results;
  } finally {
    // Whoever gives up leaves nothing behind that goes on.
    await Promise.all(running);
  }
}

/**
 * Does something with each of several things. A failure is said, and the others go on; one that concerns them all, such as
 * a lost connection, ends it. A single failure of a single thing is thrown as it is.
 *
 * @param items What it is about; an error stands for something that failed already.
 * @param act Gives what is to be printed, if anything. Up to `atOnce` are under way together, one after the other on the
 * server.
 * @throws {FerryError} With the code of the first failure.
 */
export async function forEach<Item>(
  { shell, signal }: Invocation,
  items: readonly (Item | FerryError)[],
  act: (item: Item) => Promise<string | void>,
  atOnce = AT_ONCE,
): Promise<void> {
  const failures: FerryError[] = [];
  const run = async (item: Item | FerryError) => {
    if (item instanceof FerryError) throw item;
    signal.throwIfAborted();
    return await act(item);
  };
  for await (const result of inOrder(items, run, atOnce)) {
    if (result.status === "fulfilled") {
      if (result.value) await shell.output.print(result.value);
      continue;
    }
    const error = toFerryError(result.reason);
    const isOfAll = result.reason instanceof UsageError || error instanceof OutputClosed || signal.aborted ||
      endsTransfer(error.code) || hasCode(error, "Cancelled", "Unauthorized");
    if (items.length === 1 || isOfAll) throw result.reason;
    shell.output.inform(explain(error).message);
    failures.push(error);
  }
  const [first] = failures;
  if (first) throw new FerryError(first.code, `${failures.length} of ${items.length} failed`);
}
