import { type FerryError, hasCode } from "../../core/errors.ts";
import type { Entry } from "../../core/metadata.ts";
import { parseRemotePath, type RemotePath, ROOT, splitPath } from "../../core/remote_path.ts";
import { notBehindLinks } from "../../transfer/listing.ts";
import { bytes, plural } from "../terminal/format.ts";
import { inOrder } from "./each.ts";
import type { Invocation } from "./invocation.ts";

/** So many directories are counted together. */
const COUNTED_AT_ONCE = 16;

/** What would be removed. */
interface Extent {
  files: number;
  directories: number;
  bytes: number;
  /** Whether a directory could not be looked into. */
  isMore: boolean;
}

/** A path on the server, and what has it: a link itself, which is removed, and not what it leads to. */
type Target = readonly [path: RemotePath, entry: Entry];

/** What there is at these paths. Each directory is listed only once, however much in it is to be removed. */
async function targetsAt({ shell, signal }: Invocation, paths: readonly RemotePath[]): Promise<Target[]> {
  const found: Target[] = [];
  for (const [parent, inIt] of Map.groupBy(paths, (path) => splitPath(path)[0])) {
    const wanted = new Map(inIt.map((path) => [splitPath(path)[1], path]));
    const directory = parent === "" ? ROOT : parseRemotePath(parent, false);
    try {
      for await (const entry of shell.storage.list(directory, { signal })) {
        const path = wanted.get(entry.path);
        if (path !== undefined) found.push([path, entry]);
        if (path !== undefined && wanted.delete(entry.path) && wanted.size === 0) break;
      }
    } catch (error) {
      if (!hasCode(error, "NotFound", "NotADirectory")) throw error;
    }
  }
  return found;
}

/** Adds what is at a path on the server, and below. */
async function count({ shell, signal }: Invocation, [path, entry]: Target, extent: Extent): Promise<void> {
  const add = ({ kind, size, unreadable, link }: Entry) => {
    extent[kind === "directory" && !link ? "directories" : "files"]++;
    extent.bytes += link ? 0 : size;
    if (unreadable && !link) extent.isMore = true;
  };
  add(entry);
  if (entry.kind !== "directory" || entry.link) return;
  for await (const below of notBehindLinks(shell.storage.list(path, { recursive: true, signal }))) add(below);
}

/**
 * Asks at the prompt whether that much is to be removed. Elsewhere nobody is asked: who writes it down means it.
 *
 * @returns Whether to go on; not without an answer.
 */
export async function confirmRemoval(
  invocation: Invocation,
  targets: readonly (RemotePath | FerryError)[],
): Promise<boolean> {
  const { output } = invocation.shell;
  const paths = targets.filter((target) => typeof target === "string");
  if (!output.ask || paths.length === 0) return true;
  const extent: Extent = { files: 0, directories: 0, bytes: 0, isMore: false };
  const found = await targetsAt(invocation, paths);
  for await (const result of inOrder(found, (target) => count(invocation, target, extent), COUNTED_AT_ONCE)) {
    if (result.status === "rejected") throw result.reason;
  }
  const { files, directories, isMore } = extent;
  if (files + directories === 0) return true;
  const things = [
    ...directories > 0 ? [plural(directories, "directory", "directories")] : [],
    `${plural(files, "file", "files")} (${bytes(extent.bytes)}${isMore ? " and more that you may not list" : ""})`,
  ].join(" and ");
  const answer = await output.ask(`Remove ${things}? [y/N] `);
  if (/^\s*y(es)?\s*$/i.test(answer ?? "")) return true;
  output.inform("Nothing was removed.");
  return false;
}
