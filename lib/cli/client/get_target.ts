import { hasCode } from "../../core/errors.ts";
import type { RemotePath } from "../../core/remote_path.ts";
import { quote } from "../../core/text.ts";
import type { Transfer } from "./invocation.ts";
import { exists, remoteMetadata } from "./put_target.ts";
import { UsageError } from "../terminal/usage.ts";

/**
 * Makes sure that the last word of a `get` is not one more source: a shell that has expanded a pattern would otherwise
 * have one file replaced here by another. The server is asked only when a file here would be replaced.
 *
 * @param path What is to be fetched, on the server.
 * @param to The last word, which is no directory here.
 * @throws {UsageError} When `to` names something here and something else than the source on the server.
 */
export async function requireNoSource(transfer: Transfer, path: RemotePath, to: string): Promise<void> {
  const { shell } = transfer;
  if (!exists(shell.local(to))) return;
  const other = remoteOrNothing(transfer, to);
  if (other === undefined || other === path || !await isThere(transfer, other)) return;
  throw new UsageError(
    `${quote(to)} looks like a source, since it is on the server, too, and the file of that name here would be ` +
      "replaced. To get both, write a get for each, or a pattern in quotes; to replace the file here, remove it first",
  );
}

/** The path on the server that a word means, or undefined when it leads out of what is served. */
function remoteOrNothing({ shell }: Transfer, name: string): RemotePath | undefined {
  try {
    return shell.remote(name, "get");
  } catch (error) {
    if (hasCode(error, "InvalidPath")) return undefined;
    throw error;
  }
}

/** Whether something is at a path on the server, as far as the server says. */
async function isThere(transfer: Transfer, path: RemotePath): Promise<boolean> {
  try {
    return await remoteMetadata(transfer, path) !== undefined;
  } catch (error) {
    // What cannot be a name there, or may not be looked at, was not found there by a shell either.
    if (!hasCode(error, "InvalidPath", "NotADirectory", "Refused")) throw error;
    return false;
  }
}
