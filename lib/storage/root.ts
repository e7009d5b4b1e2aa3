import { join, SEPARATOR } from "@std/path";
import { realPathOrNothing } from "./lookup.ts";
import { type Moment, thisMoment } from "./moment.ts";
import { isReserved } from "./path.ts";

/** The served directory, and where the directories in it really are. */
export class Root {
  /** The real path of it. */
  readonly path: string;
  readonly #prefix: string;
  /** What was found at this moment: most often many files of one directory are used one after the other. */
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

  /** The real path of a directory, or undefined when that is nowhere or outside the root. */
  directory(path: string): string | undefined {
    const moment = thisMoment();
    if (moment !== this.#moment) this.#found.clear();
    this.#moment = moment;
    const known = this.#found.get(path);
    if (known !== undefined) return known;
    const real = realPathOrNothing(join(this.path, path));
    if (real === undefined || !this.serves(real)) return undefined;
    this.#found.set(path, real);
    return real;
  }
}
