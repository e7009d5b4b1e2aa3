import { ensureDir } from "@std/fs/ensure-dir";
import { basename, join, resolve, SEPARATOR } from "@std/path";
import { copyFile, type Direction } from "../../client/copy.ts";
import { type LocalFile, localSource, localTarget, on } from "../../client/local.ts";
import type { Client } from "../../client/client.ts";
import type { Link } from "../../client/link.ts";
import { transferInRanges } from "../../client/ranges.ts";
import { joinRemote, listLocal, listRemote } from "../../client/tree.ts";
import { cannot, FerryError } from "../../core/errors.ts";
import { printable, quote } from "../../core/text.ts";
import { DirectoryStorage } from "../../storage/directory/directory_storage.ts";
import { ROOT } from "../../core/remote_path.ts";
import type { Entry } from "../../core/metadata.ts";
import { copyOptions, type Flags } from "./flags.ts";
import { bytes, took } from "../terminal/format.ts";
import { requireNoSource } from "./get_target.ts";
import type { Invocation } from "./invocation.ts";
import { UsageError } from "../terminal/usage.ts";
import { parsePattern, selector } from "./patterns.ts";
import { Progress } from "./progress.ts";
import { isLocalPattern, namesDirectory, putTarget, remoteFacts, requireNoPattern } from "./put_target.ts";
import { remoteBasename } from "./resolve_path.ts";
import type { Shell } from "./shell.ts";
import { printBytes } from "../terminal/terminal.ts";
import { transferTree } from "./tree_command.ts";

/** Whether there is a directory at a local path. */
export function isLocalDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw cannot("use", path, error);
  }
}

/** Transfers one file with a progress line, then says how it went. */
async function transferFile(
  { shell, flags, signal }: Invocation,
  direction: Direction,
  pair: { path: string; file: LocalFile },
): Promise<void> {
  const progress = new Progress(remoteBasename(pair.path));
  const began = performance.now();
  let size = 0;
  const from = direction === "get" ? pair.path : pair.file.shown;
  const to = direction === "get" ? pair.file.shown : pair.path;
  const links = flags.connections > 1 ? Array.from({ length: flags.connections }, () => shell.newLink()) : [];
  try {
    const outcome = await shell.reconnecting((link) =>
      link.run((client, progressed, isRepeated) => {
        const onProgress = (moved: number, total: number | undefined) => {
          if (moved > size) progressed();
          size = moved;
          progress.update(moved, total);
        };
        const options = { ...copyOptions(flags), signal, onProgress, isRepeated, retries: flags.retries };
        const transfer = (client: Client) => transferInRanges(client, links, direction, pair, options);
        return copyFile(client, direction, pair, links.length > 0 ? { ...options, transfer } : options);
      }, { signal, retries: flags.retries })
    );
    progress.clear();
    const verb = direction === "get" ? "Got" : "Put";
    if (outcome === "planned") await shell.output.print(`${direction} ${quote(from)} as ${quote(to)}\n`);
    else if (outcome === "skipped") {
      const why = flags.noClobber ? `${quote(to)} exists already` : "nothing to do";
      shell.output.inform(`Skipped ${quote(from)}: ${why}.`);
    } else {
      const amount = `${bytes(size)} in ${took(performance.now() - began)}`;
      shell.output.inform(`${verb} ${quote(from)} as ${quote(to)} (${amount}).`);
    }
    // What others have left there and cannot be removed is no failure of this file.
    if (direction === "get") await pair.file.storage.sweep(ROOT).catch(() => {});
  } finally {
    progress.clear();
    await Promise.all(links.map((link) => link.close()));
  }
}

/** `get REMOTE [LOCAL]` */
export async function get(invocation: Invocation): Promise<void> {
  const { shell, args: [from = "", to], flags, signal } = invocation;
  const path = shell.remote(from);
  if (to === "-") {
    refuseWithDash(flags, ["retries", "connections"]);
    const client = await shell.client(signal);
    await client.get(path, new WritableStream({ write: printBytes }), { signal });
    return;
  }
  const name = remoteBasename(path);
  const into = to !== undefined && to !== "" && isLocalDirectory(shell.local(to));
  const target = shell.local(to === undefined ? name || "." : into ? join(to, name) : to);
  if (to !== undefined && !into) await requireNoSource(invocation, path, to);
  const pattern = parsePattern(path);
  if (!pattern && !flags.recursive) return await getFile(invocation, path, target);
  // The listing has a connection of its own, so that it is held up while the files cannot keep up with it. It is made
  // at the same time as the other.
  await using lister = shell.newLink();
  void lister.client(signal).catch(() => {});
  await using tree = listRemote(lister, path, { signal });
  // Most often it is a directory; to ask at the same time whether it is saves a round trip.
  const entries = pattern ? tree : begun(tree);
  // A file may really have a name that looks like a pattern.
  const metadata = await remoteFacts(shell, path, signal);
  if (metadata?.kind === "directory" && flags.recursive) {
    await getEntries(invocation, { remote: path, target }, closing(lister, entries));
  } else if (pattern && !metadata) {
    requireLocalDirectory(shell, to);
    const recursive = pattern.recursive || flags.recursive;
    const below = listRemote(lister, pattern.base, { recursive, signal });
    const ends = { remote: pattern.base, target: shell.local(to ?? ".") };
    const found = await getEntries(invocation, ends, closing(lister, below), selector(pattern, flags.recursive));
    if (found === 0) throw cannot("get", from, new FerryError("NotFound", "nothing on the server matches it"));
  } else {
    await getFile(invocation, path, target);
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

/** The same entries; the connection is closed when they are over, while the files are still under way. */
async function* closing(lister: Link, entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  yield* entries;
  await lister.close();
}

async function getFile(invocation: Invocation, path: string, target: string): Promise<void> {
  if (/[/\\]$/.test(target)) {
    throw cannot("write", target, new FerryError("NotADirectory", "there is no such directory"));
  }
  try {
    await transferFile(invocation, "get", { path, file: localTarget(target) });
  } catch (error) {
    if (!(error instanceof FerryError && error.code === "IsADirectory" && error.path === path)) throw error;
    throw new FerryError(error.code, `${error.message}; use get -r`, { path });
  }
}

/** @returns How many entries there were. */
async function getEntries(
  invocation: Invocation,
  { remote, target }: { remote: string; target: string },
  entries: AsyncIterable<Entry>,
  select?: (entry: Entry) => boolean,
): Promise<number> {
  const { flags } = invocation;
  if (flags.dryRun && !isLocalDirectory(target)) {
    // There is nothing to compare with, and no directory is made for it.
    const local = DirectoryStorage.open(".");
    const blank = { ...invocation, flags: { ...flags, update: false, checksum: false, noClobber: false } };
    return await transferTree(blank, { direction: "get", local, shown: target, remote }, entries, select);
  }
  const isNew = !isLocalDirectory(target);
  const local = await on("write", target, async () => {
    await ensureDir(target);
    return DirectoryStorage.open(target);
  });
  const found = await transferTree(invocation, { direction: "get", local, shown: target, remote }, entries, select);
  if (found === 0 && select && isNew) Deno.removeSync(target);
  return found;
}

/** `put LOCAL... [REMOTE]` */
export async function put(invocation: Invocation): Promise<void> {
  const { shell, args, signal } = invocation;
  if (args.slice(0, Math.max(1, args.length - 1)).includes("-")) return await putStandardInput(invocation);
  const { sources, remote, into, isNew } = await putTarget(invocation);
  if (isNew) await makeRemoteDirectory(invocation, remote);
  const failures: unknown[] = [];
  const names = sources.length > 1 ? new Set<string>() : undefined;
  for (const source of sources) {
    try {
      await putOne(invocation, shell.local(source), { remote, into, names });
    } catch (error) {
      if (sources.length === 1 || signal.aborted || !(error instanceof FerryError)) throw error;
      shell.output.inform(printable(error.message));
      failures.push(new FerryError(error.code, "not everything could be uploaded"));
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Where a source goes: `into` as in `PutTarget`; `names` are those that earlier sources have there, if there are several. */
interface Place {
  readonly remote: string;
  readonly into: boolean;
  readonly names: Set<string> | undefined;
}

async function putOne(invocation: Invocation, source: string, { remote, into, names }: Place): Promise<void> {
  const { flags } = invocation;
  if (isLocalPattern(source)) return await putMatching(invocation, source, remote, names);
  const file = localSource(source);
  const name = basename(resolve(source));
  names?.add(name);
  const path = into ? joinRemote(remote, name) : remote;
  const metadata = await file.storage.stat(file.name).catch((error) => Promise.reject(cannot("read", source, error)));
  if (metadata.kind === "file") return await transferFile(invocation, "put", { path, file });
  if (!flags.recursive) throw cannot("put", source, new FerryError("IsADirectory", "it is a directory; use put -r"));
  const local = DirectoryStorage.open(source);
  await makeRemoteDirectory(invocation, path);
  await transferTree(invocation, { direction: "put", local, shown: source, remote: path }, listLocal(local));
}

async function putMatching(
  invocation: Invocation,
  source: string,
  remote: string,
  names: Place["names"],
): Promise<void> {
  const pattern = parsePattern(source.replaceAll(SEPARATOR, "/"));
  if (!pattern) return;
  const base = pattern.base || (source.startsWith("/") ? "/" : ".");
  if (!isLocalDirectory(base)) throw cannot("put", source, new FerryError("NotFound", "nothing matches it"));
  const local = DirectoryStorage.open(base);
  await makeRemoteDirectory(invocation, remote);
  const recursive = pattern.recursive || invocation.flags.recursive;
  const entries = local.list(ROOT, { recursive });
  const isMeant = selector(pattern, invocation.flags.recursive);
  let twice: string | undefined;
  const select = (entry: Entry) => {
    if (!isMeant(entry)) return false;
    const isNew = entry.kind === "directory" || !names?.has(entry.path);
    if (isNew) names?.add(entry.path);
    else twice ??= entry.path;
    return isNew;
  };
  const found = await transferTree(invocation, { direction: "put", local, shown: base, remote }, entries, select);
  if (twice !== undefined) {
    throw cannot("put", twice, new FerryError("AlreadyExists", "an earlier source has this name, and was sent"));
  }
  if (found === 0) throw cannot("put", source, new FerryError("NotFound", "nothing matches it"));
}

async function makeRemoteDirectory({ shell, flags, signal }: Invocation, path: string): Promise<void> {
  if (flags.dryRun || path === "") return;
  await (await shell.client(signal)).mkdir(path, { parents: true, signal });
}

/** Options that make no sense with `-` are refused rather than ignored. */
function refuseWithDash(flags: Flags, allowed: readonly (keyof Flags)[]): void {
  for (const [name, value] of Object.entries(flags)) {
    if (value === true && !allowed.some((each) => each === name)) {
      throw new UsageError(`- cannot be combined with --${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`);
    }
  }
}

async function putStandardInput({ shell, args: [, to, ...more], flags, signal }: Invocation): Promise<void> {
  if (to === undefined || to === "" || more.length > 0 || namesDirectory(to)) {
    throw new UsageError("put - needs the name that the file gets on the server, and nothing else");
  }
  requireNoPattern(shell.local(to), to);
  if (!shell.inputIsFree) throw new UsageError("standard input holds the commands and cannot be uploaded, too");
  refuseWithDash(flags, ["noClobber", "durable"]);
  const path = shell.remote(to);
  const progress = new Progress(to);
  const began = performance.now();
  try {
    const options = { signal, overwrite: !flags.noClobber, durable: flags.durable };
    const onProgress = (moved: number) => progress.update(moved, undefined);
    const { size } = await (await shell.client(signal)).put(Deno.stdin.readable, path, { ...options, onProgress });
    progress.clear();
    shell.output.inform(`Put standard input as ${quote(path)} (${bytes(size)} in ${took(performance.now() - began)}).`);
  } finally {
    progress.clear();
  }
}
