import { join, SEPARATOR } from "@std/path";
import { FerryError } from "../../core/errors.ts";
import { lstatOrNothing, realPathOrNothing, targetOrNothing } from "./lookup.ts";
import { type Moment, thisMoment } from "./moment.ts";
import { isReserved } from "../../core/remote_path.ts";

/** How far one comes on the way down a path. */
export interface Descent {
  /** The real path of the deepest directory that is reached. */
  readonly directory: string;
  /** The names that remain, of which the first is not that of a directory in here; none when all are. */
  readonly rest: readonly string[];
  /** Whether something has the first of those names: a file, or a link that does not lead to a directory in here. */
  readonly isBlocked: boolean;
}

/** The served directory, and where the directories in it really are. */
export class Root {
  /** The real path of it. */
  readonly path: string;
  readonly #prefix: string;
  /**
   * Directories that were found at this moment, without a link on the way: most often many files of one directory are
   * used one after the other. Only moving or removing a directory changes where such a path leads, and ends the moment.
   */
  readonly #found = new Map<string, string>();
  #moment: Moment | undefined;

  constructor(path: string) {
    this.path = path;
    this.#prefix = path.endsWith(SEPARATOR) ? path : path + SEPARATOR;
  }

  /** Whether a real path is the root or inside it, and not Ferry's own. */
  serves(real: string): boolean {
    if (real === this.path) return true;
    return real.startsWith(this.#prefix) && !real.slice(this.#prefix.length).split(SEPARATOR).some(isReserved);
  }

  /** How many names the path of something has, counted from the root. */
  depthOf(real: string): number {
    return real === this.path ? 0 : real.slice(this.#prefix.length).split(SEPARATOR).length;
  }

  /** The real path of a directory, or undefined when that is nowhere or when the way there leads outside the root. */
  directory(path: string): string | undefined {
    const moment = thisMoment();
    if (moment !== this.#moment) this.#found.clear();
    this.#moment = moment;
    const known = this.#found.get(path);
    if (known !== undefined) return known;
    const place = join(this.path, path);
    const real = realPathOrNothing(place);
    if (real === undefined || !this.serves(real) || !look(real)?.isDirectory) return undefined;
    if (real === place) this.#found.set(path, real);
    // Links on the way might lead out and back in again, and so would show what is outside.
    else if (this.descend(path).rest.length > 0) return undefined;
    return real;
  }

  /**
   * Goes down a path name by name, and follows links that lead to a directory in here.
   *
   * @throws {FerryError} `NotFound` when the root itself is gone.
   */
  descend(path: string): Descent {
    const names = path === "" ? [] : path.split("/");
    // Where the root was there may be something else by now.
    if (realPathOrNothing(this.path) !== this.path) throw new FerryError("NotFound", "no such file or directory");
    let directory = this.path;
    for (const [i, name] of names.entries()) {
      const place = join(directory, name);
      const info = look(place);
      const below = info?.isDirectory ? place : info?.isSymlink ? this.#directoryBehind(place) : undefined;
      if (below === undefined) return { directory, rest: names.slice(i), isBlocked: info !== undefined };
      directory = below;
    }
    return { directory, rest: [], isBlocked: false };
  }

  #directoryBehind(link: string): string | undefined {
    const real = targetOrNothing(link);
    return real !== undefined && this.serves(real) && look(real)?.isDirectory ? real : undefined;
  }
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
