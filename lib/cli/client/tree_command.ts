import { type Trees, TreeTransfer } from "../../client/tree.ts";
import { FerryError } from "../../core/errors.ts";
import { printable, quote } from "../../core/text.ts";
import type { Entry } from "../../core/metadata.ts";
import { copyOptions } from "./flags.ts";
import { bytes, took } from "../terminal/format.ts";
import type { Invocation } from "./invocation.ts";
import { TreeProgressLine } from "./progress.ts";

function plural(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}

/**
 * Transfers the entries of a tree with a progress line; reports each failure as it happens and the sum at the end.
 *
 * @returns How many entries there were.
 * @throws {FerryError} With the code of the first failure, when there was any.
 */
export async function transferTree(
  { shell, flags, signal }: Invocation,
  trees: Trees,
  entries: AsyncIterable<Entry>,
  select?: (entry: Entry) => boolean,
): Promise<number> {
  const began = performance.now();
  const line = new TreeProgressLine();
  let first: FerryError | undefined;
  const more = Array.from({ length: flags.connections - 1 }, () => shell.newLink());
  const transfer = new TreeTransfer(trees, [shell.link, ...more], {
    ...copyOptions(flags),
    signal,
    retries: flags.retries,
    select,
    onStep: (progress) => line.update(progress),
    onFailure(_path, error) {
      first ??= error;
      line.clear();
      shell.output.inform(printable(error.message));
    },
    onPlan: (path) => shell.output.print(`${trees.direction} ${quote(path)}\n`),
  });
  try {
    const progress = await shell.reconnecting(() => transfer.run(entries));
    line.clear();
    const { filesDone, bytesDone, skipped, failed } = progress;
    const verb = flags.dryRun ? "Would transfer" : trees.direction === "get" ? "Got" : "Put";
    const rest = [skipped > 0 ? `${skipped} skipped` : "", failed > 0 ? `${failed} failed` : ""].filter(Boolean);
    const amount = flags.dryRun ? "" : ` (${bytes(bytesDone)} in ${took(performance.now() - began)})`;
    if (progress.entries === 0 && select) return 0;
    shell.output.inform(`${[`${verb} ${plural(filesDone, "file", "files")}${amount}`, ...rest].join(", ")}.`);
    if (first) {
      throw new FerryError(first.code, `${plural(failed, "entry", "entries")} could not be transferred`);
    }
    return progress.entries;
  } finally {
    line.clear();
    await Promise.all(more.map((link) => link.close()));
  }
}
