import { FerryError, toFerryError } from "../../core/errors.ts";
import { removeExtra } from "../../transfer/deletion.ts";
import type { TreeOptions } from "../../transfer/tree.ts";
import { explain } from "../terminal/explain.ts";
import type { Ends, Transfer } from "./invocation.ts";

/** What became of `--delete`. */
interface Deleted {
  readonly count: number;
  /** Why not everything was deleted. */
  readonly failure: FerryError | undefined;
}

/** Deletes at the target what the source does not have. To be called when everything was transferred. */
export async function deleteExtra(
  { shell, flags: { dryRun }, filter, signal, retry }: Transfer,
  { source, target }: Ends,
  { root, mayChange, onPlan }: Pick<TreeOptions, "root" | "mayChange" | "onPlan">,
): Promise<Deleted> {
  let count = 0;
  let failed = 0;
  let failure: FerryError | undefined;
  try {
    await removeExtra(source, target, {
      root,
      mayChange,
      filter,
      dryRun,
      signal,
      retry,
      onRemoved(path) {
        count++;
        return dryRun ? onPlan?.("remove", path) : undefined;
      },
      onFailure(_path, error) {
        failed++;
        failure ??= error;
        shell.output.inform(explain(error).message);
      },
    });
    if (failure) failure = new FerryError(failure.code, `${failed} of the deletions failed`);
  } catch (error) {
    const { code, message, cause } = toFerryError(error);
    const what = count === 0 || dryRun ? "Nothing was deleted" : `Not everything was deleted (${count} done)`;
    failure = new FerryError(code, `${what}: ${message}`, { cause });
  }
  return { count, failure };
}
