import { FerryError } from "../../core/errors.ts";
import type { Entry } from "../../core/metadata.ts";
import { joinPaths } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { copyTree, type TreeOptions, type TreeProgress } from "../../transfer/tree.ts";
import { copyOptions, type Flags } from "./flags.ts";
import { explain } from "../terminal/explain.ts";
import { plural } from "../terminal/format.ts";
import type { Ends, Transfer } from "./invocation.ts";
import { amountOf, hasGrown, TreeProgressLine } from "./progress.ts";
import { deleteExtra } from "./tree_deletion.ts";

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
  transfer: Transfer,
  verb: "get" | "put",
  ends: Ends,
  entries: AsyncIterable<Entry>,
  options: TreeChoices,
): Promise<number> {
  const { shell, flags, filter, signal, retry } = transfer;
  const { source, target } = ends;
  const began = performance.now();
  const line = new TreeProgressLine();
  let first: FerryError | undefined;
  const onPlan: TreeOptions["onPlan"] = (action, path) => {
    const to = quote(joinPaths(target.shown, path));
    const from = quote(joinPaths(source.shown, path));
    return shell.output.print(action === "copy" ? `${verb} ${from} as ${to}\n` : `${action} ${to}\n`);
  };
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
    onPlan,
  });
  try {
    const progress = await copying.catch((error) => {
      if (flags.delete) shell.output.inform("Nothing was deleted, since not everything was transferred.");
      throw error;
    });
    const amount = amountOf(progress.bytesDone - progress.bytesKept, progress.bytesKept, began);
    line.clear();
    if (progress.entries === 0 && options.select && !flags.delete) return 0;
    const deleted = flags.delete && !first ? await deleteExtra(transfer, ends, { ...options, onPlan }) : undefined;
    shell.output.inform(summary(verb, flags, progress, { amount, deleted: deleted?.count }));
    if (deleted?.failure) throw deleted.failure;
    if (first) {
      const kept = flags.delete ? ", so nothing was deleted" : "";
      throw new FerryError(
        first.code,
        `${plural(progress.failed, "entry", "entries")} could not be transferred${kept}`,
      );
    }
    return progress.entries;
  } finally {
    line.clear();
  }
}

/** What was done, in one line. */
function summary(
  verb: "get" | "put",
  { dryRun }: Flags,
  { filesDone, skipped, failed }: TreeProgress,
  { amount, deleted }: { readonly amount: string; readonly deleted: number | undefined },
): string {
  const done = dryRun ? "Would transfer" : verb === "get" ? "Got" : "Put";
  const parts = [`${done} ${plural(filesDone, "file", "files")}${dryRun ? "" : ` (${amount})`}`];
  if (skipped > 0) parts.push(`${skipped} skipped`);
  if (deleted !== undefined) parts.push(`${deleted} ${dryRun ? "to delete" : "deleted"}`);
  if (failed > 0) parts.push(`${failed} failed`);
  return `${parts.join(", ")}.`;
}
