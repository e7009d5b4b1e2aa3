import type { FileMetadata } from "../../core/metadata.ts";
import { type RemotePath, ROOT } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { copyFile } from "../../transfer/copy.ts";
import type { Place } from "../../transfer/place.ts";
import { bytes, took } from "../terminal/format.ts";
import { UsageError } from "../terminal/usage.ts";
import { copyOptions, type FlagName, type Flags } from "./flags.ts";
import type { Ends, Transfer } from "./invocation.ts";
import { Progress } from "./progress.ts";
import { remoteBasename } from "./resolve_path.ts";

/** Something on the server. */
export function remotePlace({ server }: Transfer, path: RemotePath): Place {
  return { storage: server, path, shown: path };
}

/** Transfers one file with a progress line, then says how it went. */
export async function transferFile(
  { shell, flags, signal, retry }: Transfer,
  verb: "get" | "put",
  { source, target }: Ends,
  known?: FileMetadata,
): Promise<void> {
  const progress = new Progress(remoteBasename(verb === "get" ? source.path : target.path));
  const began = performance.now();
  let size = 0;
  const onProgress = (moved: number, total: number) => {
    size = moved;
    progress.update(moved, total);
  };
  try {
    const mayLook = verb === "get" || await shell.may("read", signal);
    const options = { ...copyOptions(flags), verb, known, mayLook, signal, retry, onProgress };
    const outcome = await copyFile(source, target, options);
    progress.clear();
    const [from, to] = [quote(source.shown), quote(target.shown)];
    if (outcome === "planned") await shell.output.print(`${verb} ${from} as ${to}\n`);
    else if (outcome === "skipped") {
      const why = flags.noClobber ? `${to} exists already` : "nothing to do";
      shell.output.inform(`Skipped ${from}: ${why}.`);
    } else {
      const amount = `${bytes(size)} in ${took(performance.now() - began)}`;
      shell.output.inform(`${verb === "get" ? "Got" : "Put"} ${from} as ${to} (${amount}).`);
    }
    // What others have left there and cannot be removed is no failure of this file.
    if (verb === "get") await target.storage.sweep?.(ROOT).catch(() => {});
  } finally {
    progress.clear();
  }
}

/** Options that make no sense with `-` are refused rather than ignored. */
export function refuseWithDash({ given }: Flags, allowed: readonly FlagName[]): void {
  const refused = given.find((name) => !allowed.includes(name));
  if (refused !== undefined) throw new UsageError(`- cannot be combined with --${refused}`);
}
