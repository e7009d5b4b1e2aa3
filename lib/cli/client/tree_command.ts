import { FerryError } from "../../core/errors.ts";
import type { Entry } from "../../core/metadata.ts";
import { joinPaths } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import type { Place } from "../../transfer/place.ts";
import { copyTree, type TreeOptions } from "../../transfer/tree.ts";
import { copyOptions } from "./flags.ts";
import { explain } from "../terminal/explain.ts";
import { plural } from "../terminal/format.ts";
import type { Transfer } from "./invocation.ts";
import { amountOf, hasGrown, TreeProgressLine } from "./progress.ts";

/** The two ends of a transfer. */
export interface Ends {
  readonly source: Place;
  readonly target: Place;
}

/** What is different for each tree. */
export type TreeChoices = Pick<
  TreeOptions,
  "select" | "root" | "mayLook" | "mayChange" | "same" | "update" | "checksum"
>;

/**
 * Transfers the entries of a tree with a progress line; reports each failure as it happens and the sum at the end.
 *
 * @returns How many entries there were.
 * @throws {FerryError} With the code of the first failure, when there was any.
 */
export async function transferTree(
  { shell, flags, filter, signal, retry }: Transfer,
  verb: "get" | "put",
  { source, target }: Ends,
  entries: AsyncIterable<Entry>,
  options: TreeChoices,
): Promise<number> {
  const began = performance.now();
  const line = new TreeProgressLine();
  let first: FerryError | undefined;
  const copying = copyTree(source, target, entries, {
    ...copyOptions(flags),
    ...options,
    filter,
    verb,
    signal,
    retry,
    onStep: (progress) => signal.aborted || line.update(progress),
    onFailure(_path, error) {
      first ??= error;
      line.clear();
      shell.output.inform(explain(error).message);
    },
    onGrown(path, size) {
      line.clear();
      shell.output.inform(`${quote(joinPaths(source.shown, path))} ${hasGrown(size)}`);
    },
    onPlan(action, path) {
      const to = quote(joinPaths(target.shown, path));
      const from = quote(joinPaths(source.shown, path));
      return shell.output.print(action === "copy" ? `${verb} ${from} as ${to}\n` : `${action} ${to}\n`);
    },
  });
  try {
    const progress = await copying;
    line.clear();
    const { filesDone, bytesDone, bytesKept, skipped, failed } = progress;
    const done = flags.dryRun ? "Would transfer" : verb === "get" ? "Got" : "Put";
    const rest = [skipped > 0 ? `${skipped} skipped` : "", failed > 0 ? `${failed} failed` : ""].filter(Boolean);
    const amount = flags.dryRun ? "" : ` (${amountOf(bytesDone - bytesKept, bytesKept, began)})`;
    if (progress.entries === 0 && options.select) return 0;
    shell.output.inform(`${[`${done} ${plural(filesDone, "file", "files")}${amount}`, ...rest].join(", ")}.`);
    if (first) {
      throw new FerryError(first.code, `${plural(failed, "entry", "entries")} could not be transferred`);
    }
    return progress.entries;
  } finally {
    line.clear();
  }
}
