import { type FerryError, hasCode } from "../../core/errors.ts";
import type { Entry } from "../../core/metadata.ts";
import { parseRemotePath, type RemotePath, ROOT, splitPath } from "../../core/remote_path.ts";
import { ifThere } from "../../transfer/copy.ts";
import { notBehindLinks } from "../../transfer/listing.ts";
import { bytes, plural } from "../terminal/format.ts";
import type { Invocation } from "./invocation.ts";

/** What would be removed. */
interface Extent {
  files: number;
  directories: number;
  bytes: number;
  /** Whether a directory could not be looked into. */
  isMore: boolean;
}

/** What a directory has at a path on the server: a link itself, which is removed, and not what it leads to. */
async function entryAt({ shell, signal }: Invocation, path: RemotePath): Promise<Entry | undefined> {
  const [parent, name] = splitPath(path);
  const directory = parent === "" ? ROOT : parseRemotePath(parent, false);
  for await (const entry of shell.storage.list(directory, { signal })) {
    if (entry.path === name) return entry;
  }
  return undefined;
}

/** Adds what is at a path on the server, and below. */
async function count(invocation: Invocation, path: RemotePath, extent: Extent): Promise<void> {
  const { shell, signal } = invocation;
  const found = await ifThere(shell.storage.stat(path, { signal }));
  // A link that leads nowhere is in its directory only, and can be removed.
  const entry = await entryAt(invocation, path).catch((error) => {
    if (!hasCode(error, "NotFound", "NotADirectory")) throw error;
  });
  if (!found && !entry) return;
  const link = !found || entry?.link;
  if (found?.kind !== "directory" || link) {
    extent.files++;
    extent.bytes += link ? 0 : found.size;
    return;
  }
  extent.directories++;
  const entries = shell.storage.list(path, { recursive: true, signal });
  for await (const { kind, size, unreadable, link } of notBehindLinks(entries)) {
    extent[kind === "directory" && !link ? "directories" : "files"]++;
    extent.bytes += link ? 0 : size;
    if (unreadable && !link) extent.isMore = true;
  }
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
  for (const path of paths) await count(invocation, path, extent);
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
