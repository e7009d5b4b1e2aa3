import { ensureDir } from "@std/fs/ensure-dir";
import { basename, join, resolve, SEPARATOR } from "@std/path";
import { cannot, FerryError } from "../../core/errors.ts";
import type { Entry, FileMetadata } from "../../core/metadata.ts";
import { parseRemotePath, pathIn, type RemotePath, ROOT } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { DirectoryStorage } from "../../storage/directory/directory_storage.ts";
import { copyFile } from "../../transfer/copy.ts";
import { listAgain } from "../../transfer/listing.ts";
import { localSource, localTarget } from "../../transfer/local.ts";
import type { Place } from "../../transfer/place.ts";
import { readToStream, storeStream } from "../../transfer/streams.ts";
import type { TreeOptions } from "../../transfer/tree.ts";
import { explain } from "../terminal/explain.ts";
import { bytes, took } from "../terminal/format.ts";
import { printBytes } from "../terminal/terminal.ts";
import { UsageError } from "../terminal/usage.ts";
import { copyOptions, type FlagName, type Flags } from "./flags.ts";
import { requireNoSource } from "./get_target.ts";
import type { Invocation, Transfer } from "./invocation.ts";
import { parsePattern, selector } from "./patterns.ts";
import { Progress } from "./progress.ts";
import { isLocalPattern, namesDirectory, putTarget, remoteFacts, requireNoPattern } from "./put_target.ts";
import { remoteBasename } from "./resolve_path.ts";
import type { Shell } from "./shell.ts";
import { type Ends, transferTree } from "./tree_command.ts";

/** Whether there is a directory at a local path. */
export function isLocalDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw cannot("use", path, error);
  }
}

/** Something on the server. */
function remotePlace({ server }: Transfer, path: RemotePath): Place {
  return { storage: server, path, shown: path };
}

/** Transfers one file with a progress line, then says how it went. */
async function transferFile(
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

/** `get REMOTE [LOCAL]` */
export async function get(invocation: Invocation): Promise<void> {
  const { shell, args: [from = "", to], flags, signal } = invocation;
  const path = flags.recursive ? shell.remote(from, "get") : shell.remoteEntry(from, "get");
  if (to === "-") {
    refuseWithDash(flags, []);
    const source = { storage: shell.storage, path, shown: path };
    await readToStream(source, new WritableStream({ write: printBytes }), { signal });
    return;
  }
  await shell.transferring(
    flags,
    (server, retry) => getTo({ ...invocation, server, retry }, path, from, to),
  );
}

/** @param from The source, and @param to the target, as they were typed. */
async function getTo(transfer: Transfer, path: RemotePath, from: string, to: string | undefined): Promise<void> {
  const { shell, flags, retry, signal } = transfer;
  const name = remoteBasename(path);
  const into = to !== undefined && to !== "" && isLocalDirectory(shell.local(to));
  const target = shell.local(to === undefined ? name || "." : into ? join(to, name) : to);
  if (to !== undefined && !into) await requireNoSource(transfer, path, to);
  const pattern = parsePattern(path);
  if (!pattern && !flags.recursive) return await getFile(transfer, path, target);
  const source = remotePlace(transfer, path);
  await using tree = listAgain(source, { retry, signal, recursive: true });
  // Most often it is a directory; to ask at the same time whether it is saves a round trip.
  const entries = pattern ? tree : begun(tree);
  // A file may really have a name that looks like a pattern.
  const metadata = await remoteFacts(transfer, path);
  if (metadata?.kind === "directory" && flags.recursive) {
    await getEntries(transfer, source, target, entries, { root: metadata });
  } else if (pattern && !metadata) {
    requireLocalDirectory(shell, to);
    const recursive = pattern.recursive || flags.recursive;
    const base = remotePlace(transfer, pattern.base === "" ? ROOT : parseRemotePath(pattern.base, false));
    const below = listAgain(base, { retry, signal, recursive });
    const select = selector(pattern, flags.recursive);
    const found = await getEntries(transfer, base, shell.local(to ?? "."), below, { select });
    if (found === 0) throw cannot("get", from, new FerryError("NotFound", "nothing on the server matches it"));
  } else {
    await getFile(transfer, path, target);
  }
}

/** @throws {UsageError} Unless the target of a pattern is a directory, or is to be one. */
function requireLocalDirectory(shell: Shell, to: string | undefined): void {
  if (to === undefined || /[/\\]$/.test(to) || isLocalDirectory(shell.local(to))) return;
  throw new UsageError(
    `A pattern needs a directory, and there is none called ${quote(to)} here. Write ${quote(`${to}/`)} to make it`,
  );
}

/** The same entries, of which the first is asked for at once. */
function begun(entries: AsyncGenerator<Entry>): AsyncGenerator<Entry> {
  const first = entries.next();
  first.catch(() => {});
  return (async function* () {
    const { value, done } = await first;
    if (done) return;
    yield value;
    yield* entries;
  })();
}

async function getFile(transfer: Transfer, path: RemotePath, target: string): Promise<void> {
  if (/[/\\]$/.test(target)) {
    throw cannot("write", target, new FerryError("NotADirectory", "there is no such directory"));
  }
  try {
    await transferFile(transfer, "get", { source: remotePlace(transfer, path), target: localTarget(target) });
  } catch (error) {
    if (!(error instanceof FerryError && error.code === "IsADirectory" && error.path === path)) throw error;
    throw new FerryError(error.code, `${error.message}; use get -r`, { path });
  }
}

/** @returns How many entries there were. */
async function getEntries(
  transfer: Transfer,
  source: Place,
  shown: string,
  entries: AsyncIterable<Entry>,
  { root, select }: { root?: FileMetadata; select?: (entry: Entry) => boolean },
): Promise<number> {
  const { flags } = transfer;
  const isNew = !isLocalDirectory(shown);
  if (flags.dryRun && isNew) {
    // There is nothing to compare with, and no directory is made for it.
    const target = { storage: DirectoryStorage.open("."), path: ROOT, shown };
    const blank = { ...transfer, flags: { ...flags, update: false, checksum: false, noClobber: false } };
    return await transferTree(blank, "get", { source, target }, entries, { select });
  }
  const storage = await openLocal(shown);
  const ends = { source, target: { storage, path: ROOT, shown } };
  const found = await transferTree(transfer, "get", ends, entries, { select, root: isNew ? root : undefined });
  if (found === 0 && select && isNew) Deno.removeSync(shown);
  return found;
}

/** Opens a directory on this machine, which is made if necessary. */
async function openLocal(path: string): Promise<DirectoryStorage> {
  try {
    await ensureDir(path);
    return DirectoryStorage.open(path);
  } catch (error) {
    throw cannot("write", path, error);
  }
}

/** `put LOCAL... [REMOTE]` */
export async function put(invocation: Invocation): Promise<void> {
  const { shell, args, flags } = invocation;
  if (args.slice(0, Math.max(1, args.length - 1)).includes("-")) return await putStandardInput(invocation);
  await shell.transferring(flags, (server, retry) => putAll({ ...invocation, server, retry }));
}

async function putAll(transfer: Transfer): Promise<void> {
  const { shell, signal } = transfer;
  const { sources, remote, into, isNew } = await putTarget(transfer);
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

/** Options that make no sense with `-` are refused rather than ignored. */
function refuseWithDash({ given }: Flags, allowed: readonly FlagName[]): void {
  const refused = given.find((name) => !allowed.includes(name));
  if (refused !== undefined) throw new UsageError(`- cannot be combined with --${refused}`);
}

async function putStandardInput({ shell, args: [, to, ...more], flags, signal }: Invocation): Promise<void> {
  if (to === undefined || to === "" || more.length > 0 || namesDirectory(to)) {
    throw new UsageError("put - needs the name that the file gets on the server, and nothing else");
  }
  requireNoPattern(shell.local(to), to);
  if (!shell.inputIsFree) throw new UsageError("standard input holds the commands and cannot be uploaded, too");
  refuseWithDash(flags, ["no-clobber", "durable"]);
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
