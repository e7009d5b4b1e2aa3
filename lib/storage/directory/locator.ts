import { basename, dirname, join } from "@std/path";
import { FerryError } from "../../core/errors.ts";
import { type Found, type Location, lstatOrNothing, realPathOrNothing, targetOrNothing } from "./lookup.ts";
import { type RemotePath, ROOT } from "../../core/remote_path.ts";
import type { Root } from "./root.ts";

const NOT_FOUND = "no such file or directory";

/** Where something is or shall be: the real path of a directory, and a name in it. */
type Place = Omit<Location, "info">;

/**
 * Finds what a path means in a root. What it finds is true in the same synchronous step, and no longer: whoever acts on
 * it later has to look again.
 */
export class Locator {
  readonly #root: Root;

  constructor(root: Root) {
    this.#root = root;
  }

  /** The one name of a directory that shall be made, and the real directory in which it is missing. */
  missing(path: RemotePath): { directory: string; names: readonly string[] } {
    const { directory, name, info } = this.locateToAdd(path);
    if (info) throw new FerryError("AlreadyExists", "it exists already");
    return { directory, names: [name] };
  }

  /** The names of all directories on the way down `path` that are not there. */
  missingIn(path: RemotePath): { directory: string; names: readonly string[] } {
    // Most often only the last one is missing, or none.
    const [above, name] = split(path);
    const parent = path === ROOT ? undefined : this.#root.directory(above);
    if (parent !== undefined) {
      const { info } = this.#locate(path, () => ({ directory: parent, name }));
      if (info && !info.isDirectory) throw new FerryError("AlreadyExists", "it exists already");
      return { directory: parent, names: info ? [] : [name] };
    }
    const { directory, rest, isBlocked } = this.#root.descend(path);
    if (isBlocked) throw new FerryError("AlreadyExists", "it exists already");
    return { directory, names: rest };
  }

  /** The real directory that holds the last component of `path`. */
  #parent(path: RemotePath): Place {
    const [parent, name] = split(path);
    const directory = path === ROOT ? undefined : this.#root.directory(parent);
    // Whatever is wrong outside must look the same as nothing.
    if (directory === undefined) throw new FerryError("NotFound", NOT_FOUND);
    return { directory, name };
  }

  /**
   * The same, for something that is to be made: a link that leads outside or nowhere is in the way like a file.
   *
   * @throws {FerryError} `NotFound`, `NotADirectory`.
   */
  parentToAdd(path: RemotePath): Place {
    const [parent, name] = split(path);
    const directory = this.#root.directory(parent);
    if (directory !== undefined) return { directory, name };
    const { isBlocked } = this.#root.descend(parent);
    throw isBlocked
      ? new FerryError("NotADirectory", "part of the path is not a directory")
      : new FerryError("NotFound", NOT_FOUND);
  }

  /**
   * What is at `path`, with a link to somewhere inside the root followed. Any other link is given itself: it does not
   * exist for those who look for something, and is in the way of those who make something.
   *
   * @throws {FerryError} `NotFound` when the parent is not there.
   */
  locate(path: RemotePath): Location {
    return this.#locate(path, (path) => this.#parent(path));
  }

  /** The same, for something that is to be made; see {@linkcode parentToAdd} for what it throws. */
  locateToAdd(path: RemotePath): Location {
    return this.#locate(path, (path) => this.parentToAdd(path));
  }

  #locate(path: RemotePath, parentOf: (path: RemotePath) => Place): Location {
    if (path === ROOT) {
      // Where the root was there may be something else by now, or a link.
      const info = realPathOrNothing(this.#root.path) === this.#root.path ? lstatOrNothing(this.#root.path) : undefined;
      return { directory: this.#root.path, name: ".", info: info?.isDirectory ? info : undefined };
    }
    const { directory, name } = parentOf(path);
    const info = lstatOrNothing(join(directory, name));
    if (info?.isSymlink) return this.followLink(join(directory, name)) ?? { directory, name, info };
    if (info && !info.isFile && !info.isDirectory) throw new FerryError("NotAFile", "it is not a regular file");
    return { directory, name, info };
  }

  /** Where a link leads, or undefined when that is outside the root, nowhere, or nothing that is served. */
  followLink(link: string): Found | undefined {
    const real = targetOrNothing(link);
    if (real === undefined || !this.#root.serves(real)) return undefined;
    const info = lstatOrNothing(real);
    if (!info?.isFile && !info?.isDirectory) return undefined;
    return real === this.#root.path
      ? { directory: real, name: ".", info }
      : { directory: dirname(real), name: basename(real), info };
  }

  /** Like `locate`, for something that must be there. */
  find(path: RemotePath): Found {
    const { directory, name, info } = this.locate(path);
    if (!info || info.isSymlink) throw new FerryError("NotFound", NOT_FOUND);
    return { directory, name, info };
  }

  /** The entry itself, a link not followed. @throws {FerryError} `NotFound`, also when it does not exist for clients. */
  entry(path: RemotePath): Found {
    const { directory, name } = this.#parent(path);
    const entry = join(directory, name);
    const info = lstatOrNothing(entry);
    if (!info || (info.isSymlink && !this.followLink(entry))) throw new FerryError("NotFound", NOT_FOUND);
    return { directory, name, info };
  }
}

/** The path of the directory that holds something, and its name there. */
function split(path: string): [parent: string, name: string] {
  const cut = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, cut)), path.slice(cut + 1)];
}
