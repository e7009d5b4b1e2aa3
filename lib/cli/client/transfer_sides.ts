import { basename, dirname, join, resolve, SEPARATOR } from "@std/path";
import { cannot, FerryError, hasCode } from "../../core/errors.ts";
import type { Entry, FileMetadata } from "../../core/metadata.ts";
import { parseRemotePath, pathIn, type RemotePath, ROOT } from "../../core/remote_path.ts";
import { DirectoryStorage } from "../../storage/directory/directory_storage.ts";
import { ifThere } from "../../transfer/copy.ts";
import { listAgain } from "../../transfer/listing.ts";
import { localSource } from "../../transfer/local.ts";
import type { Place } from "../../transfer/place.ts";
import { Retry } from "../../transfer/retry.ts";
import { remotePlace } from "./file_command.ts";
import type { Invocation, Transfer } from "./invocation.ts";
import { isLocalDirectory } from "./local_directory.ts";
import { remoteBasename } from "./resolve_path.ts";

/** A listing; it ends when it is disposed of. */
export type Entries = AsyncIterable<Entry> & AsyncDisposable;

/** What a word names at the source. */
export interface Source {
  readonly place: Place;
  /** Absent when it was not looked at, or is not there. */
  readonly metadata?: FileMetadata | undefined;
  /** What is in it and below; only with a directory. */
  readonly entries?: Entries | undefined;
}

/** How to find out what a word names. */
export interface SourceOptions {
  /** Whether its metadata is needed, or it may be left to the transfer to find out what it is. */
  readonly isNeeded: boolean;
  /** Whether there is no other word. */
  readonly isAlone: boolean;
}

/** One side of a transfer: what the user's words mean there. */
export interface TransferSide {
  /** Where that is, in words. */
  readonly where: string;
  /** Whether the user may look what is there. */
  mayLook(): Promise<boolean>;
  /** A word with `/` between names. */
  slashed(word: string): string;
  /** The last name in the path that a word means. */
  nameOf(word: string): string;
  /** Whether anything has that path, other than what `besides` means. What we may not look at is not there. */
  has(word: string, besides?: string): Promise<boolean>;
  /** What a word names. */
  source(word: string, options: SourceOptions): Promise<Source>;
  /** The directory that a pattern begins in, and what is in it. */
  base(word: string, recursive: boolean): { readonly place: Place; readonly entries: Entries };
  /** The place of a word, or of a name in it, where nothing need be yet. */
  target(word: string, name?: string): Place;
  /** What is at a place; undefined also when we may not look. */
  look(place: Place): Promise<FileMetadata | undefined>;
  /** Makes a directory, and those above it; all may be there already. */
  make(place: Place, mode?: number): Promise<void>;
}

/** This machine. */
export function localSide({ shell, signal }: Invocation): TransferSide {
  const list = (place: Place, recursive: boolean) => listAgain(place, { retry: new Retry(), recursive, signal });
  const directory = (shown: string): Place => ({ storage: DirectoryStorage.open(shown), path: ROOT, shown });
  return {
    where: "here",
    mayLook: () => Promise.resolve(true),
    slashed: (word) => word.replaceAll(SEPARATOR, "/"),
    nameOf: (word) => basename(resolve(shell.local(word))),
    has(word, besides) {
      try {
        const path = resolve(shell.local(word));
        const isOther = besides === undefined || path !== resolve(shell.local(besides));
        return Promise.resolve(isOther && exists(path));
      } catch (error) {
        if (!hasCode(error, "Refused", "InvalidPath")) throw error;
        return Promise.resolve(false);
      }
    },
    async source(word) {
      const shown = shell.local(word);
      const place = localSource(shown);
      const metadata = await place.storage.stat(place.path, { signal }).catch((error) => {
        throw cannot("read", shown, error);
      });
      if (metadata.kind === "file") return { place, metadata };
      const top = directory(shown);
      return { place: top, metadata, entries: list(top, true) };
    },
    base(word, recursive) {
      const shown = shell.local(word);
      if (!isLocalDirectory(shown)) throw new FerryError("NotFound", "nothing here matches it");
      const place = directory(shown);
      return { place, entries: list(place, recursive) };
    },
    target(word, name) {
      const path = shell.local(word, "write");
      return localPlace(name === undefined ? path : join(path, name));
    },
    async look({ storage, path, shown }) {
      return await ifThere(storage.stat(path, { signal })).catch((error) => {
        throw cannot("write", shown, error);
      });
    },
    async make({ storage, path, shown }, mode) {
      await storage.mkdir(path, { parents: true, mode, signal }).catch((error) => {
        throw cannot("write", shown, error);
      });
    },
  };
}

/** Whether there is anything at a local path. */
function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The place of a local path, in the directory nearest to it that is there: nothing beside that can be written. */
function localPlace(shown: string): Place {
  try {
    const names: string[] = [];
    let root = resolve(shown);
    for (; !isLocalDirectory(root); root = dirname(root)) names.unshift(basename(root));
    const path = names.length > 0 ? parseRemotePath(names.join("/")) : ROOT;
    return { storage: DirectoryStorage.open(root), path, shown };
  } catch (error) {
    throw cannot("write", shown, error);
  }
}

/** The server. */
export function remoteSide(transfer: Transfer): TransferSide {
  const { shell, server, retry, signal, flags } = transfer;
  const again = <T>(act: () => Promise<T>) => retry.run(act, signal);
  const mayLook = () => again(() => shell.may("read", signal));
  const list = (place: Place, recursive: boolean) => listAgain(place, { retry, recursive, signal });
  const stat = async (path: RemotePath) =>
    await mayLook() ? await again(() => ifThere(server.stat(path, { signal }))) : undefined;
  return {
    where: "on the server",
    mayLook,
    slashed: (word) => word,
    nameOf: (word) => remoteBasename(shell.remote(word, "get")),
    async has(word, besides) {
      try {
        const path = shell.remote(word, "get");
        if (besides !== undefined && path === shell.remote(besides, "get")) return false;
        return await stat(path) !== undefined;
      } catch (error) {
        // A shell cannot have found it there either: it is no valid name, or may not be looked at.
        if (!hasCode(error, "InvalidPath", "NotADirectory", "Refused")) throw error;
        return false;
      }
    },
    async source(word, { isNeeded, isAlone }) {
      // An empty word, such as a variable of a script that is not set, does not mean everything.
      const path = flags.recursive && word !== "" ? shell.remote(word, "get") : shell.remoteEntry(word, "get");
      const place = remotePlace(transfer, path);
      if (!flags.recursive) return { place, metadata: isNeeded ? await stat(path) : undefined };
      // Most often it is a directory; to ask at the same time whether it is saves a round trip.
      await using unused = new AsyncDisposableStack();
      const entries = unused.use(isAlone ? begun(list(place, true)) : list(place, true));
      const metadata = await stat(path);
      if (!metadata && await mayLook()) {
        throw cannot("get", path, new FerryError("NotFound", "no such file or directory"));
      }
      if (metadata?.kind !== "directory") return { place, metadata };
      unused.move();
      return { place, metadata, entries };
    },
    base(word, recursive) {
      const place = remotePlace(transfer, shell.remote(word, "get"));
      return { place, entries: list(place, recursive) };
    },
    target(word, name) {
      const path = shell.remote(word, "put");
      return remotePlace(transfer, name === undefined ? path : pathIn(path, parseRemotePath(name)));
    },
    look: ({ path }) => stat(path),
    make: ({ path }, mode) => again(() => server.mkdir(path, { parents: true, mode, signal })),
  };
}

/** The same entries, of which the first is asked for at once. */
function begun(entries: AsyncGenerator<Entry>): Entries {
  const first = entries.next();
  first.catch(() => {});
  return {
    async *[Symbol.asyncIterator]() {
      const { value, done } = await first;
      if (done) return;
      yield value;
      yield* entries;
    },
    [Symbol.asyncDispose]: () => entries[Symbol.asyncDispose](),
  };
}
