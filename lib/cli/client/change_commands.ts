import { cannot, FerryError, hasCode } from "../../core/errors.ts";
import { parseRemotePath, pathIn, type RemotePath, ROOT, splitPath } from "../../core/remote_path.ts";
import { ifThere } from "../../transfer/copy.ts";
import { forEach } from "./each.ts";
import type { Invocation } from "./invocation.ts";
import { namesDirectory } from "./destinations.ts";
import { remoteTargets } from "./remote_matches.ts";
import { confirmRemoval } from "./confirm_removal.ts";
import { remoteBasename, resolveRemote } from "./resolve_path.ts";

/** `mkdir [-p] NAME...` */
export async function mkdir(invocation: Invocation): Promise<void> {
  const { shell, args, flags: { parents }, signal } = invocation;
  await forEach(invocation, args, async (name) => {
    await shell.storage.mkdir(shell.remoteEntry(name, "mkdir"), { parents, signal });
  });
}

/** `rename NAME... TARGET` */
export async function rename(invocation: Invocation): Promise<void> {
  const { shell, args, signal } = invocation;
  const [first = "", ...more] = args.slice(0, -1);
  const to = args.at(-1) ?? "";
  const target = shell.remote(to, "rename");
  const sources = await remoteTargets(invocation, [first, ...more], "rename");
  if (sources.length === 1 && sources[0] instanceof FerryError) throw sources[0];
  const isOne = sources.length === 1 && sources[0] === resolveRemote(shell.remoteDirectory, first);
  // A pattern may match one file today and two tomorrow.
  const isInto = !isOne || namesDirectory(to);
  if (isInto) await requireDirectory(invocation, target, to);
  const moveInto = (path: RemotePath) =>
    shell.storage.rename(path, pathIn(target, parseRemotePath(remoteBasename(path), false)), { signal });
  await forEach(invocation, sources, async (path) => {
    if (isInto) return await moveInto(path);
    try {
      await shell.storage.rename(path, target, { signal });
    } catch (error) {
      if (!hasCode(error, "AlreadyExists") || (await remoteKind(invocation, target)) !== "directory") throw error;
      await moveInto(path);
    }
  });
}

/** What is at a path on the server; undefined when nothing is. */
async function remoteKind({ shell, signal }: Invocation, path: RemotePath): Promise<"file" | "directory" | undefined> {
  return (await ifThere(shell.storage.stat(path, { signal })))?.kind;
}

/** @throws {FerryError} Unless there is a directory on the server that the user has called `name`. */
async function requireDirectory(invocation: Invocation, path: RemotePath, name: string): Promise<void> {
  const kind = path === ROOT ? "directory" : await remoteKind(invocation, path);
  if (kind === "directory") return;
  const reason = kind === "file" ? "it is not a directory" : "there is no such directory";
  throw cannot("move into", name, new FerryError(kind === "file" ? "NotADirectory" : "NotFound", reason));
}

/** Without what is in another of the targets, and goes with that. */
function outermost(targets: readonly (RemotePath | FerryError)[]): (RemotePath | FerryError)[] {
  const paths = new Set<unknown>(targets);
  const isInside = (path: string): boolean => {
    const [parent] = splitPath(path);
    return parent !== "" && (paths.has(parent) || isInside(parent));
  };
  return targets.filter((target) => target instanceof FerryError || !isInside(target));
}

/** `remove [-r] [-f] NAME...` */
export async function remove(invocation: Invocation): Promise<void> {
  const { shell, args, flags: { recursive, force }, signal } = invocation;
  const all = await remoteTargets(invocation, args, "remove");
  const there = force ? all.filter((target) => !hasCode(target, "NotFound")) : all;
  const targets = recursive ? outermost(there) : there;
  if (recursive && !force && !await confirmRemoval(invocation, targets)) return;
  await forEach(invocation, targets, async (path) => {
    try {
      await shell.storage.remove(path, { recursive, signal });
    } catch (error) {
      if (!force || !hasCode(error, "NotFound")) throw error;
    }
  });
}
