import { basename, dirname, join, SEPARATOR } from "@std/path";
import { FerryError } from "../../core/errors.ts";
import { isReserved, type RemotePath, ROOT, splitPath } from "../../core/remote_path.ts";
import { type Found, type Location, lstatOrNothing, realPathOrNothing, targetOrNothing } from "./lookup.ts";
import { isKnownDirectory, rememberDirectory } from "./watch.ts";

/** Where something is or shall be: the real path of a directory, and a name in it. */
type Place = Omit<Location, "info">;

/** How far one comes on the way down a path. */
interface Descent {
  /** The real path of the deepest directory that is reached. */
  readonly directory: string;
  /** The names that remain, of which the first is not that of a directory in here; none when all are. */
  readonly names: readonly string[];
  /** Whether something has the first of those names: a file, or a link that does not lead to a directory in here. */
  readonly isBlocked: boolean;
}

/**
 * Finds what a path means in a root. What it finds is true in the same synchronous step only: to act later, look again.
 */
export class Locator {
  /** The real path of the root. */
  readonly root: string;
  readonly #prefix: string;

  constructor(root: string) {
    this.root = root;
    this.#prefix = root.endsWith(SEPARATOR) ? root : root + SEPARATOR;
  }

  /** How many names the path of something has, counted from the root. */
  depthOf(real: string): number {
    return real === this.root ? 0 : real.slice(this.#prefix.length).split(SEPARATOR).length;
  }

  /** What is at `path`, with a link followed. @throws {FerryError} `NotFound`. */
  find(path: RemotePath): Found {
    const found = this.#locate(path, false);
    const { info } = found;
    if (!info || info.isSymlink) throw notFound();
    return { ...found, info };
  }

  /** The entry itself, a link not followed, whatever that leads to. @throws {FerryError} `NotFound`. */
  entry(path: RemotePath): Found {
    const { directory, name } = this.#parent(path, false);
    const info = lstatOrNothing(join(directory, name));
    if (!info) throw notFound();
    return { directory, name, info };
  }

  /** The same for what exists for clients. @throws {FerryError} `NotFound`, also for a link that is not followed. */
  servedEntry(path: RemotePath): Found {
    const found = this.entry(path);
    if (found.info.isSymlink && !this.followLink(join(found.directory, found.name))) throw notFound();
    return found;
  }

  /**
   * Where something is to be made. A link to somewhere inside the root is followed; any other is given itself, and is in
   * the way like a file.
   *
   * @throws {FerryError} `NotFound`, `NotADirectory`.
   */
  locateToAdd(path: RemotePath): Location {
    return this.#locate(path, true);
  }

  /** The same, with nothing followed, and not looked at what is there. */
  parentToAdd(path: RemotePath): Place {
    return this.#parent(path, true);
  }

  /** The names of the directories that have to be made for `path` to be one, and where; only one without `parents`. */
  missing(path: RemotePath, parents: boolean): Pick<Descent, "directory" | "names"> {
    // Most often only the last one is missing, or none.
    if (parents && (path === ROOT || this.#directory(splitPath(path)[0]) === undefined)) {
      const descent = this.#descend(path);
      if (descent.isBlocked) throw inTheWay(descent.names.length === 1 ? "it" : "part of the path");
      return descent;
    }
    const { directory, name, info } = this.locateToAdd(path);
    if (info && !parents) throw new FerryError("AlreadyExists", "it exists already");
    if (info && !info.isDirectory) throw inTheWay("it");
    return { directory, names: info ? [] : [name] };
  }

  /** Where a link leads, or undefined when that is outside the root, nowhere, or nothing that is served. */
  followLink(link: string): Found | undefined {
    const real = targetOrNothing(link);
    if (real === undefined || !this.#serves(real)) return undefined;
    const info = lstatOrNothing(real);
    if (!info?.isFile && !info?.isDirectory) return undefined;
    return real === this.root
      ? { directory: real, name: ".", info }
      : { directory: dirname(real), name: basename(real), info };
  }

  /** Whether a real path is the root or inside it, and not Ferry's own. */
  #serves(real: string): boolean {
    if (real === this.root) return true;
    return real.startsWith(this.#prefix) && !real.slice(this.#prefix.length).split(SEPARATOR).some(isReserved);
  }

  #locate(path: RemotePath, isToAdd: boolean): Location {
    if (path === ROOT) {
      // Where the root was there may be something else by now, or a link.
      const info = realPathOrNothing(this.root) === this.root ? lstatOrNothing(this.root) : undefined;
      return { directory: this.root, name: ".", info: info?.isDirectory ? info : undefined };
    }
    const { directory, name } = this.#parent(path, isToAdd);
    const info = lstatOrNothing(join(directory, name));
    const behind = info?.isSymlink ? this.followLink(join(directory, name)) : undefined;
    if (behind) return { ...behind, isLink: true };
    if (info?.isSymlink) return { directory, name, info };
    if (info && !info.isFile && !info.isDirectory) throw new FerryError("NotAFile", "it is not a regular file");
    return { directory, name, info };
  }

  /**
   * The real directory that holds the last component of `path`.
   *
   * @param isToAdd Whether to tell what is in the way from nothing; for others, whatever is wrong outside must look the
   * same as nothing.
   */
  #parent(path: RemotePath, isToAdd: boolean): Place {
    const [above, name] = splitPath(path);
    const directory = path === ROOT ? undefined : this.#directory(above);
    if (directory !== undefined) return { directory, name };
    const isBlocked = isToAdd && this.#descend(above).isBlocked;
    throw isBlocked ? new FerryError("NotADirectory", "part of the path is not a directory") : notFound();
  }

  /** The real path of a directory, or undefined when that is nowhere or when the way there leads outside the root. */
  #directory(path: string): string | undefined {
    const place = join(this.root, path);
    if (isKnownDirectory(place)) return place;
    const real = this.#realPath(path, place);
    if (real === undefined || !this.#serves(real) || !look(real)?.isDirectory) return undefined;
    if (real === place) rememberDirectory(real);
    // Links on the way might lead out and back in again, and so would show what is outside.
    else if (this.#descend(path).names.length > 0) return undefined;
    return real;
  }

  /** Where `place` really is, which is the path in the root, or undefined when it leads nowhere. */
  #realPath(path: string, place: string): string | undefined {
    try {
      return realPathOrNothing(place);
    } catch (error) {
      // A link may lead to what no path can be that long for. Then that is in the way, as one that leads nowhere.
      if (this.#descend(path).isBlocked) return undefined;
      throw error;
    }
  }

  /**
   * Goes down a path name by name, and follows links that lead to a directory in here.
   *
   * @throws {FerryError} `NotFound` when the root itself is gone.
   */
  #descend(path: string): Descent {
    const names = path === "" ? [] : path.split("/");
    // Where the root was there may be something else by now.
    if (realPathOrNothing(this.root) !== this.root) throw notFound();
    let directory = this.root;
    for (const [i, name] of names.entries()) {
      const place = join(directory, name);
      const info = look(place);
      const behind = info?.isSymlink ? this.followLink(place) : undefined;
      if (info?.isDirectory) directory = place;
      else if (behind?.info.isDirectory) directory = join(behind.directory, behind.name);
      else return { directory, names: names.slice(i), isBlocked: info !== undefined };
    }
    return { directory, names: [], isBlocked: false };
  }
}

function notFound(): FerryError {
  return new FerryError("NotFound", "no such file or directory");
}

/** The failure to make a directory where something else is. */
function inTheWay(what: string): FerryError {
  return new FerryError("AlreadyExists", `${what} exists already and is not a directory`);
}

/** What is at `path`, or undefined when nothing is, or nothing that we may look at. */
function look(path: string): Deno.FileInfo | undefined {
  try {
    return lstatOrNothing(path);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}
