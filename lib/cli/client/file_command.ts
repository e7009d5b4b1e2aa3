import { FerryError, toFerryError } from "../../core/errors.ts";
import type { RemotePath } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import type { ContentOptions } from "../../transfer/content_options.ts";
import { copyFile, type CopyOptions, ifThere } from "../../transfer/copy.ts";
import type { Place } from "../../transfer/place.ts";
import { PIECE_BYTES } from "../../transfer/pump.ts";
import { isLoss } from "../../transfer/retry.ts";
import { bytes } from "../terminal/format.ts";
import { UsageError } from "../terminal/usage.ts";
import { copyOptions, type FlagName, type Flags } from "./flags.ts";
import type { Ends, Transfer } from "./invocation.ts";
import { amountOf, hasGrown, Progress } from "./progress.ts";
import type { Shell } from "./shell.ts";
import { remoteBasename } from "./resolve_path.ts";

/** Something on the server. */
export function remotePlace({ server }: Transfer, path: RemotePath): Place {
  return { storage: server, path, shown: path };
}

/**
 * Transfers one file with a progress line, then says how it went.
 *
 * @returns What there is to print, with `--dry-run`.
 */
export async function transferFile(
  transfer: Transfer,
  verb: "get" | "put",
  ends: Ends,
  more: Pick<CopyOptions, "known" | "turn" | "connections">,
): Promise<string | void> {
  const { shell, flags, signal, retry } = transfer;
  const { source, target } = ends;
  const progress = new Progress(remoteBasename(verb === "get" ? source.path : target.path));
  const began = performance.now();
  let kept: number | undefined;
  let grown = "";
  const told: ContentOptions = {
    onProgress: (moved, total) => progress.update(moved, total),
    onKept: (bytes) => void (kept = bytes),
    onGrown: (size) => void (grown = ` It ${hasGrown(size)}`),
  };
  try {
    const mayLook = verb === "get" || await shell.may("read", signal);
    const mayChange = verb === "get" || await shell.may("overwrite", signal);
    const options = { ...copyOptions(flags), ...more, verb, mayLook, mayChange, signal, retry, ...told };
    const outcome = await copyFile(source, target, options);
    const amount = amountOf(progress.moved, progress.before, began);
    const [from, to] = [quote(source.shown), quote(target.shown)];
    if (outcome === "planned") return `${verb} ${from} as ${to}\n`;
    if (outcome === "done") {
      shell.output.inform(`${verb === "get" ? "Got" : "Put"} ${from} as ${to} (${amount}).${grown}`);
    } else {
      const isNewer = flags.update && await isNewerThere(ends, signal);
      const why = flags.noClobber
        ? `${to} ${await howItDiffers(ends, mayLook, signal)}`
        : isNewer
        ? `${to} is newer`
        : "nothing to do";
      shell.output.inform(`Skipped ${from}: ${why}.`);
    }
  } catch (error) {
    kept ??= verb === "put" ? await keptThere(transfer, target, progress, toFerryError(error)) : 0;
    throw withKept(error, kept);
  } finally {
    progress.clear();
  }
}

/** Says of a file that only got longer while it was read to the end that it did. */
export function sayGrown({ output }: Shell, path: RemotePath): (size: number) => void {
  return (size) => output.inform(`${quote(path)} ${hasGrown(size)}`);
}

/** What both ends have. */
async function lookAtBoth({ source, target }: Ends, signal: AbortSignal) {
  const look = ({ storage, path }: Place) => ifThere(storage.stat(path, { signal }));
  return await Promise.all([look(source), look(target)]);
}

/** Whether what is at the target was changed after the source. */
async function isNewerThere(ends: Ends, signal: AbortSignal): Promise<boolean> {
  const [here, there] = await lookAtBoth(ends, signal);
  return here !== undefined && there !== undefined && there.mtimeMs > here.mtimeMs;
}

/** What there is to say of a file that was not replaced. */
async function howItDiffers(ends: Ends, mayLook: boolean, signal: AbortSignal): Promise<string> {
  if (!mayLook) return "exists already";
  const { source, target } = ends;
  const [here, there] = await lookAtBoth(ends, signal);
  const isAlike = here?.kind === there?.kind && here?.size === there?.size;
  // What is small costs little to compare.
  const digest = async ({ storage, path }: Place) => (await ifThere(storage.digest(path, { signal })))?.sha256;
  const digests = isAlike && (here?.size ?? 0) <= PIECE_BYTES
    ? await Promise.all([digest(source), digest(target)])
    : [];
  return isAlike && digests[0] === digests[1] ? "exists already" : "exists, and is different";
}

/** How long the server may take to say what it has kept, in ms. */
const KEPT_PATIENCE_MS = 2_000;

/** How many bytes the server has kept; undefined when it keeps what has arrived, but cannot say how much that is. */
async function keptThere(
  { shell }: Transfer,
  { path }: Place,
  { size, moved }: Progress,
  { code }: FerryError,
): Promise<number | undefined> {
  // A small file is not resumed, and of one that was refused nothing was sent.
  if (size <= PIECE_BYTES || moved === 0) return 0;
  if (isLoss(code) || !shell.isConnected) return undefined;
  try {
    const signal = AbortSignal.timeout(KEPT_PATIENCE_MS);
    return (await shell.storage.offer(path, { size, signal })).sums.covered;
  } catch {
    return undefined;
  }
}

/** A failure that says what was kept as well. @param kept In bytes; undefined when nobody knows how many. */
function withKept(thrown: unknown, kept: number | undefined): unknown {
  if (kept === 0) return thrown;
  return resumable(thrown, kept === undefined ? "what has arrived is kept" : `${bytes(kept)} kept`);
}

/** A failure that says what is there already, and how the same command goes on. */
export function resumable(thrown: unknown, there: string, how = "to resume"): FerryError {
  const { code, message, path, cause } = toFerryError(thrown);
  return new FerryError(code, `${message} (${there}; run the same command ${how})`, { path, cause });
}

/** Options that make no sense with `-` are refused rather than ignored. */
export function refuseWithDash({ given }: Flags, allowed: readonly FlagName[]): void {
  const refused = given.find((name) => !allowed.includes(name));
  if (refused !== undefined) throw new UsageError(`- cannot be combined with --${refused}`);
}
