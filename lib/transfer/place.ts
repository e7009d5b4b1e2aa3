import { cannot, type FerryError } from "../core/errors.ts";
import { joinPaths, pathIn, type RemotePath } from "../core/remote_path.ts";
import type { Storage } from "../storage/storage.ts";

/** A file or directory in a storage. */
export interface Place {
  /** The storage that it is in. */
  readonly storage: Storage;
  /** Its path there. */
  readonly path: RemotePath;
  /** What the user calls it, for messages; empty for what has no name, such as the served directory. */
  readonly shown: string;
}

/** What the user calls a transfer, for messages. */
export type Verb = "get" | "put" | "copy";

/** What could not be done when one side of a transfer fails. */
const SIDES: Readonly<Record<Verb, { readonly source: string; readonly target: string }>> = {
  get: { source: "get", target: "write" },
  put: { source: "read", target: "put" },
  copy: { source: "read", target: "write" },
};

/** Which side a transfer is at work on, and so whose failure it is. */
export interface Blame {
  isSource: boolean;
}

/** The failure of one side of a transfer. @param shown What the user calls what is there. */
export function failureOf(error: unknown, { isSource }: Blame, shown: string, verb: Verb): FerryError {
  return cannot(isSource ? SIDES[verb].source : SIDES[verb].target, shown, error);
}

/** What has a path in a directory. */
export function placeIn({ storage, path: directory, shown }: Place, path: RemotePath): Place {
  return { storage, path: pathIn(directory, path), shown: joinPaths(shown, path) };
}
