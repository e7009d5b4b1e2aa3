import { FerryError, toFerryError } from "../../core/errors.ts";
import type { Entry } from "../../core/metadata.ts";
import { joinPaths } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { copyTree, type TreeOptions, type TreeProgress } from "../../transfer/tree.ts";
import { isLoss } from "../../transfer/retry.ts";
import { resumable } from "./file_command.ts";
import { copyOptions, type Flags } from "./flags.ts";
import { explain } from "../terminal/explain.ts";
import { plural } from "../terminal/format.ts";
import type { Ends, Transfer } from "./invocation.ts";
import { amountOf, hasGrown, TreeProgressLine } from "./progress.ts";
import { deleteExtra } from "./tree_deletion.ts";

/** What is different for each tree. */
export type TreeChoices = Pick<
  TreeOptions,
  "select" | "root" | "isNew" | "mayLook" | "mayChange" | "same" | "update" | "checksum"
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
  const { shell: { output }, flags, filter, signal, retry } = transfer;
  const began = performance.now();
  using reports = new TreeReports(transfer, verb, ends, options.mayLook === false);
  const whole = { ...copyOptions(flags), ...options, ...reports.callbacks, filter, verb, signal, retry };
  const say = (progress: TreeProgress, deleted?: number) => {
    const { bytesDone, bytesKept } = progress;
    const amount = amountOf(bytesDone - bytesKept, bytesKept, began);
    output.inform(summary(verb, flags, progress, { amount, deleted }));
  };
  const progress = await copyTree(ends.source, ends.target, entries, whole).catch((error) => {
    if (flags.delete) output.inform("Nothing was deleted, since not everything was transferred.");
    reports.end();
    const { progress } = reports;
    if (progress && (progress.filesDone > 0 || progress.skipped > 0 || progress.failed > 0)) say(progress);
    throw flags.dryRun ? error : reports.stopped(error);
  });
  reports.end();
  const { first } = reports;
  if (progress.entries === 0 && options.select && !first && !flags.delete) return 0;
  const deleted = flags.delete && !first ? await deleteExtra(transfer, ends, whole) : undefined;
  say(progress, deleted?.count);
  if (deleted?.failure) throw deleted.failure;
  if (first) throw incomplete(first, progress.failed, flags);
  return progress.entries;
}

/** What tells the user of each entry, beside a progress line. */
class TreeReports implements Disposable {
  readonly #line = new TreeProgressLine();
  readonly #transfer: Transfer;
  readonly #isBlind: boolean;
  /** How far it has come, once something has ended. */
  progress: TreeProgress | undefined;
  /** Files that a blind transfer has found to exist: most often those that an earlier try has sent. */
  #existing = 0;
  /** The first failure. */
  first: FerryError | undefined;
  readonly callbacks: Required<Pick<TreeOptions, "onStep" | "onFailure" | "onGrown" | "onPlan">>;

  /** @param isBlind Whether we may not look at the target. */
  constructor(transfer: Transfer, verb: "get" | "put", { source, target }: Ends, isBlind: boolean) {
    const { shell: { output }, signal } = transfer;
    this.#transfer = transfer;
    this.#isBlind = isBlind;
    this.callbacks = {
      onStep: (progress) => {
        this.progress = progress;
        if (!signal.aborted) this.#line.update(progress);
      },
      onFailure: (_path, error) => {
        this.first ??= error;
        if (isBlind && error.code === "AlreadyExists") this.#existing++;
        else output.inform(explain(error).message);
      },
      onGrown: (path, size) => output.inform(`${quote(joinPaths(source.shown, path))} ${hasGrown(size)}`),
      onPlan(action, path) {
        const to = quote(joinPaths(target.shown, path));
        const from = quote(joinPaths(source.shown, path));
        return output.print(action === "copy" ? `${verb} ${from} as ${to}\n` : `${action} ${to}\n`);
      },
    };
  }

  /** Why the tree ended early, and what is there by then. */
  stopped(thrown: unknown): unknown {
    const error = toFerryError(thrown);
    const isCut = error.code === "Cancelled" || isLoss(error.code);
    const { filesDone = 0 } = this.progress ?? {};
    if (!isCut || filesDone === 0) return thrown;
    // What is done would be refused the next time.
    const how = this.#isBlind && !this.#transfer.flags.noClobber ? "with --no-clobber to go on" : undefined;
    return resumable(error, `${plural(filesDone, "file", "files")} done`, how);
  }

  /** Says what is left to say of the entries. */
  end(): void {
    if (this.#existing === 0) return;
    const files = plural(this.#existing, "file exists", "files exist");
    const hint = "and may not be replaced or compared here; --no-clobber skips such files";
    this.#transfer.shell.output.inform(`${files} already ${hint}`);
  }

  [Symbol.dispose](): void {
    this.#line.clear();
  }
}

/** The failure of a tree of which something is missing. It does not say that the tree itself was refused or not found. */
function incomplete({ code }: FerryError, failed: number, flags: Flags): FerryError {
  const kept = flags.delete ? ", so nothing was deleted" : "";
  const message = `${plural(failed, "entry", "entries")} could not be transferred${kept}`;
  return new FerryError(code === "Refused" || code === "NotFound" ? "NotAFile" : code, message);
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
