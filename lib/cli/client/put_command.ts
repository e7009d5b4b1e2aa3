import { quote } from "../../core/text.ts";
import { storeStream } from "../../transfer/streams.ts";
import { bytes, took } from "../terminal/format.ts";
import { UsageError } from "../terminal/usage.ts";
import { namesDirectory, requireNoPattern } from "./destinations.ts";
import { refuseWithDash } from "./file_command.ts";
import type { Invocation } from "./invocation.ts";
import { Progress } from "./progress.ts";
import { localSide } from "./transfer_sides.ts";
import { transferWords } from "./transfer_command.ts";

/** `put LOCAL... [REMOTE]` */
export async function put(invocation: Invocation): Promise<void> {
  const { shell, args, flags } = invocation;
  if (args.slice(0, Math.max(1, args.length - 1)).includes("-")) return await putStandardInput(invocation);
  await shell.transferring(flags, (server, retry) => transferWords({ ...invocation, server, retry }, "put"));
}

async function putStandardInput(invocation: Invocation): Promise<void> {
  const { shell, args: [, to, ...more], flags, signal } = invocation;
  if (to === undefined || to === "" || more.length > 0 || namesDirectory(to)) {
    throw new UsageError("put - needs the name that the file gets on the server, and nothing else");
  }
  await requireNoPattern(localSide(invocation), to, "on the server");
  refuseWithDash(flags, ["no-clobber", "durable"]);
  if (!shell.inputIsFree) throw new UsageError("standard input holds the commands and cannot be uploaded, too");
  const path = shell.remoteEntry(to, "put");
  const progress = new Progress(to);
  const began = performance.now();
  try {
    // Before anything is read: a secret that the server wants is typed there, too.
    await shell.rights(signal);
    const target = { storage: shell.storage, path, shown: path };
    const onProgress = (moved: number) => progress.update(moved, undefined);
    const options = { signal, overwrite: !flags.noClobber, durable: flags.durable, onProgress };
    const { size } = await storeStream(Deno.stdin.readable, target, options);
    progress.clear();
    shell.output.inform(`Put standard input as ${quote(path)} (${bytes(size)} in ${took(performance.now() - began)}).`);
  } finally {
    progress.clear();
  }
}
