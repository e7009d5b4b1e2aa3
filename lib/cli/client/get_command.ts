import { ensureDir } from "@std/fs/ensure-dir";
import { join } from "@std/path";
import { cannot, FerryError, hasCode } from "../../core/errors.ts";
import type { Entry, FileMetadata } from "../../core/metadata.ts";
import { parseRemotePath, type RemotePath, ROOT } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { DirectoryStorage } from "../../storage/directory/directory_storage.ts";
import { listAgain } from "../../transfer/listing.ts";
import { localTarget } from "../../transfer/local.ts";
import type { Place } from "../../transfer/place.ts";
import { readToStream } from "../../transfer/streams.ts";
import { printBytes } from "../terminal/terminal.ts";
import { UsageError } from "../terminal/usage.ts";
import { refuseWithDash, remotePlace, transferFile } from "./file_command.ts";
import { requireNoSource } from "./get_target.ts";
import type { Invocation, Transfer } from "./invocation.ts";
import { isLocalDirectory } from "./local_directory.ts";
import { parsePattern, selector } from "./patterns.ts";
import { exists, remoteMetadata } from "./put_target.ts";
import { remoteBasename } from "./resolve_path.ts";
import type { Shell } from "./shell.ts";
import { transferTree } from "./tree_command.ts";

/** `get REMOTE [LOCAL]` */
export async function get(invocation: Invocation): Promise<void> {
  const { shell, args: [from = "", to], flags } = invocation;
  const path = flags.recursive ? shell.remote(from, "get") : shell.remoteEntry(from, "get");
  if (to === "-") {
    refuseWithDash(flags, []);
    return await getToOutput(invocation, path, from);
  }
  await shell.transferring(
    flags,
    (server, retry) => getTo({ ...invocation, server, retry }, path, from, to),
  );
}

async function getToOutput({ shell, signal }: Invocation, path: RemotePath, from: string): Promise<void> {
  try {
    const source = { storage: shell.storage, path, shown: path };
    await readToStream(source, new WritableStream({ write: printBytes }), { signal });
  } catch (error) {
    if (!hasCode(error, "NotFound") || !parsePattern(path)) throw error;
    throw new UsageError(`- takes one file, and ${quote(from)} is a pattern. Get what matches it into a directory`);
  }
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
  const metadata = await remoteMetadata(transfer, path);
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
    if (!(hasCode(error, "IsADirectory") && error.path === path)) throw error;
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
  if (isNew && exists(shown)) throw cannot("write", shown, new FerryError("NotADirectory", "it is not a directory"));
  if (flags.dryRun && isNew) {
    // There is nothing to compare with, and no directory is made for it.
    const target = { storage: DirectoryStorage.open("."), path: ROOT, shown };
    const blank = { ...transfer, flags: { ...flags, all: true, update: false, checksum: false, noClobber: false } };
    return await transferTree(blank, "get", { source, target }, entries, { select });
  }
  const storage = await openLocal(shown);
  const ends = { source, target: { storage, path: ROOT, shown } };
  // The served directory has no name: what is here was named by the user.
  const top = isNew || source.path !== ROOT ? root : undefined;
  const found = await transferTree(transfer, "get", ends, entries, { select, root: top });
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
