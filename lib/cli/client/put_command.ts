import { basename, resolve, SEPARATOR } from "@std/path";
import { cannot, FerryError } from "../../core/errors.ts";
import type { Entry } from "../../core/metadata.ts";
import { parseRemotePath, pathIn, type RemotePath, ROOT } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { DirectoryStorage } from "../../storage/directory/directory_storage.ts";
import { localSource } from "../../transfer/local.ts";
import { storeStream } from "../../transfer/streams.ts";
import type { TreeOptions } from "../../transfer/tree.ts";
import { bytes, took } from "../terminal/format.ts";
import { explain } from "../terminal/explain.ts";
import { UsageError } from "../terminal/usage.ts";
import { refuseWithDash, remotePlace, transferFile } from "./file_command.ts";
import type { Invocation, Transfer } from "./invocation.ts";
import { isLocalDirectory } from "./local_directory.ts";
import { parsePattern, selector } from "./patterns.ts";
import { Progress } from "./progress.ts";
import { isLocalPattern, namesDirectory, putTarget, requireNoPattern } from "./put_target.ts";
import type { Shell } from "./shell.ts";
import { transferTree } from "./tree_command.ts";

/** `put LOCAL... [REMOTE]` */
export async function put(invocation: Invocation): Promise<void> {
  const { shell, args, flags } = invocation;
  if (args.slice(0, Math.max(1, args.length - 1)).includes("-")) return await putStandardInput(invocation);
  await shell.transferring(flags, (server, retry) => putAll({ ...invocation, server, retry }));
}

async function putAll(transfer: Transfer): Promise<void> {
  const { shell, signal } = transfer;
  const { sources, remote, into, isNew } = await putTarget(transfer);
  await requireRead(transfer);
  if (isNew) await makeRemoteDirectory(transfer, remote);
  const failures: unknown[] = [];
  const names = sources.length > 1 ? new Set<string>() : undefined;
  for (const source of sources) {
    try {
      await putOne(transfer, shell.local(source), { remote, into, names });
    } catch (error) {
      if (sources.length === 1 || signal.aborted || !(error instanceof FerryError)) throw error;
      shell.output.inform(explain(error).message);
      failures.push(new FerryError(error.code, "not everything could be uploaded"));
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** @throws {FerryError} `Refused` for an option that compares with what is there, when we may not look at that. */
async function requireRead({ shell, flags, retry, signal }: Transfer): Promise<void> {
  const option = (["update", "checksum", "dry-run"] as const).find((name) => flags.given.includes(name));
  if (option === undefined || await retry.run(() => shell.may("read", signal), signal)) return;
  throw new FerryError("Refused", `Cannot use --${option}: you may not list or read anything here`);
}

/** Where a source goes: `into` as in `PutTarget`; `names` are those that earlier sources have there, if there are several. */
interface Destination {
  readonly remote: RemotePath;
  readonly into: boolean;
  readonly names: Set<string> | undefined;
}

async function putOne(transfer: Transfer, shown: string, { remote, into, names }: Destination): Promise<void> {
  const { shell, flags, signal } = transfer;
  if (isLocalPattern(shown)) return await putMatching(transfer, shown, remote, names);
  const source = localSource(shown);
  const name = basename(resolve(shown));
  names?.add(name);
  const target = remotePlace(transfer, into ? pathIn(remote, parseRemotePath(name)) : remote);
  const metadata = await source.storage.stat(source.path).catch((error) =>
    Promise.reject(cannot("read", shown, error))
  );
  if (metadata.kind === "file") return await transferFile(transfer, "put", { source, target }, metadata);
  if (!flags.recursive) throw cannot("put", shown, new FerryError("IsADirectory", "it is a directory; use put -r"));
  const tree = { storage: DirectoryStorage.open(shown), path: ROOT, shown };
  await makeRemoteDirectory(transfer, target.path);
  const root = target.path === ROOT ? undefined : metadata;
  const entries = tree.storage.list(ROOT, { recursive: true, signal });
  await transferTree(transfer, "put", { source: tree, target }, entries, { root, ...await treeRights(shell, signal) });
}

/** What the server lets us do with a tree that we put there. */
async function treeRights(shell: Shell, signal: AbortSignal): Promise<Pick<TreeOptions, "mayLook" | "mayChange">> {
  return { mayLook: await shell.may("read", signal), mayChange: await shell.may("overwrite", signal) };
}

async function putMatching(
  transfer: Transfer,
  shown: string,
  remote: RemotePath,
  names: Destination["names"],
): Promise<void> {
  const { shell, flags, signal } = transfer;
  const pattern = parsePattern(shown.replaceAll(SEPARATOR, "/"));
  if (!pattern) return;
  const base = pattern.base || (shown.startsWith("/") ? "/" : ".");
  if (!isLocalDirectory(base)) throw cannot("put", shown, new FerryError("NotFound", "nothing matches it"));
  const source = { storage: DirectoryStorage.open(base), path: ROOT, shown: base };
  await makeRemoteDirectory(transfer, remote);
  const recursive = pattern.recursive || flags.recursive;
  const isMeant = selector(pattern, flags.recursive);
  let twice: string | undefined;
  const select = (entry: Entry) => {
    if (!isMeant(entry)) return false;
    const isNew = entry.kind === "directory" || !names?.has(entry.path);
    if (isNew) names?.add(entry.path);
    else twice ??= entry.path;
    return isNew;
  };
  const ends = { source, target: remotePlace(transfer, remote) };
  const entries = source.storage.list(ROOT, { recursive, signal });
  const options = { select, ...await treeRights(shell, signal) };
  const found = await transferTree(transfer, "put", ends, entries, options);
  if (twice !== undefined) {
    throw cannot("put", twice, new FerryError("AlreadyExists", "an earlier source has this name, and was sent"));
  }
  if (found === 0) throw cannot("put", shown, new FerryError("NotFound", "nothing matches it"));
}

async function makeRemoteDirectory({ server, retry, flags, signal }: Transfer, path: RemotePath): Promise<void> {
  if (flags.dryRun || path === ROOT) return;
  await retry.run(() => server.mkdir(path, { parents: true, signal }), signal);
}

async function putStandardInput({ shell, args: [, to, ...more], flags, signal }: Invocation): Promise<void> {
  if (to === undefined || to === "" || more.length > 0 || namesDirectory(to)) {
    throw new UsageError("put - needs the name that the file gets on the server, and nothing else");
  }
  requireNoPattern(shell.local(to), to);
  refuseWithDash(flags, ["no-clobber", "durable"]);
  if (!shell.inputIsFree) throw new UsageError("standard input holds the commands and cannot be uploaded, too");
  const path = shell.remoteEntry(to, "put");
  const progress = new Progress(to);
  const began = performance.now();
  try {
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
