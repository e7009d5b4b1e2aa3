import { basename, resolve, SEPARATOR } from "@std/path";
import type { FileMetadata } from "../../core/metadata.ts";
import type { RemotePath } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import { ifThere } from "../../transfer/copy.ts";
import type { Transfer } from "./invocation.ts";
import { parsePattern } from "./patterns.ts";
import { remoteBasename } from "./resolve_path.ts";
import type { Shell } from "./shell.ts";
import { UsageError } from "../terminal/usage.ts";

/** What the words of a `put` mean. */
export interface PutTarget {
  readonly sources: readonly string[];
  /** The path on the server. */
  readonly remote: RemotePath;
  /** Whether that is the directory that the sources go into, and not the new name of the only one. */
  readonly into: boolean;
  /** Whether that directory may have to be made. */
  readonly isNew: boolean;
}

/** What is at a path on the server, or undefined when nothing is, or when we may not look. */
export function remoteMetadata(
  { shell, server, retry, signal }: Transfer,
  path: RemotePath,
): Promise<FileMetadata | undefined> {
  const look = async () => await shell.may("read", signal) ? await ifThere(server.stat(path, { signal })) : undefined;
  return retry.run(look, signal);
}

/** Whether a local path is a pattern. A file may really have such a name. */
export function isLocalPattern(path: string): boolean {
  return parsePattern(path.replaceAll(SEPARATOR, "/")) !== undefined && !exists(path);
}

/** Whether there is anything at a local path. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether a name on the server can only be that of a directory. */
export function namesDirectory(name: string): boolean {
  return name.endsWith("/") || [".", ".."].includes(remoteBasename(name));
}

/**
 * Finds out where a `put` puts what. Changes nothing: a shell that has expanded a pattern, or a word too few, would
 * otherwise store one file under the name of another, and never send that.
 *
 * @throws {UsageError} When the last word is empty, or needed as a directory and not known to be one, or may be a source.
 */
export async function putTarget(transfer: Transfer): Promise<PutTarget> {
  const { shell, args } = transfer;
  const sources = args.length > 1 ? args.slice(0, -1) : args;
  const to = args.length > 1 ? args.at(-1) : undefined;
  if (to === "") throw new UsageError("The name on the server is empty; write . for the current directory there");
  const many = sources.length > 1 || sources.some((source) => isLocalPattern(shell.local(source)));
  requireDifferentNames(sources.map((source) => shell.local(source)).filter((source) => !isLocalPattern(source)));
  const remote = shell.remote(to ?? ".", "put");
  const metadata = to === undefined ? undefined : await remoteMetadata(transfer, remote);
  if (metadata?.kind === "directory") return { sources, remote, into: true, isNew: false };
  if (to !== undefined) requireTarget(shell, sources, to, many);
  return { sources, remote, into: to === undefined || namesDirectory(to), isNew: many };
}

/** @param to The last word, which is not known to be a directory. */
function requireTarget(shell: Shell, sources: readonly string[], to: string, many: boolean): void {
  const path = shell.local(to);
  requireNoPattern(path, to);
  if (namesDirectory(to)) return;
  const isItself = sources.length === 1 && resolve(path) === resolve(shell.local(sources[0] ?? ""));
  const isHere = exists(path) && !isItself;
  if (!many && !isHere) return;
  const why = isHere ? `${quote(to)} looks like a source, since it is here` : "Several sources need a directory";
  throw new UsageError(
    `${why}, and it is not known to be a directory on the server. Write ${quote(`${to}/`)} for a directory of that ` +
      `name, or one more word to send it, too, such as . for the current directory there`,
  );
}

/** @throws {UsageError} When a pattern stands where the target should. */
export function requireNoPattern(path: string, to: string): void {
  if (!isLocalPattern(path)) return;
  throw new UsageError(
    `${quote(to)} is a pattern and no directory on the server, and the last word says where the files go. Add where, ` +
      "such as . for the current directory there",
  );
}

/** Two files of one name would replace each other in the directory that they go into. */
function requireDifferentNames(sources: readonly string[]): void {
  const names = new Set<string>();
  for (const source of sources) {
    const name = basename(resolve(source));
    if (names.has(name)) throw new UsageError(`Two sources are called ${quote(name)}, and one would replace the other`);
    names.add(name);
  }
}
