import type { Random } from "../helpers/random.ts";
import { type Content, shownBy } from "./contents.ts";

/** What a name shows: the SHA-256 of a whole content, or nothing. */
export type State = string | null;

/** Something that must never happen has happened. */
export class Wrong extends Error {
  override readonly name = "Wrong";
}

/** What is known of one name on the server. */
export class Name {
  readonly path: string;
  /** All that it may show now. */
  allowed = new Set<State>([null]);
  /**
   * A change has failed or was tried again: what was under way may still arrive, also after a later change. Until the
   * line is quiet the name is only looked at, or given the same content again.
   */
  doubtful = false;
  /** The content of the last change, when that was an upload: it may be tried again. */
  uploaded: Content | undefined;
  readonly #watches = new Set<Set<State>>();

  constructor(path: string) {
    this.path = path;
  }

  /** The name may show one state more. */
  may(state: State): void {
    this.allowed.add(state);
    for (const watch of this.#watches) watch.add(state);
  }

  /** The name shows this and nothing else. */
  is(state: State): void {
    this.may(state);
    this.allowed = new Set([state]);
  }

  /** Fails unless what `look` gives was allowed at some time while it looked. */
  async check(look: () => Promise<State>, what: string): Promise<State> {
    const watch = new Set(this.allowed);
    this.#watches.add(watch);
    try {
      const found = await look();
      if (!watch.has(found)) {
        throw new Wrong(`${what} of ${this.path} is ${found}, allowed: ${[...watch].join(" or ")}`);
      }
      return found;
    } finally {
      this.#watches.delete(watch);
    }
  }
}

/** What must be there of what one worker has put on the server. */
export class Model {
  readonly names = new Map<string, Name>();
  readonly #root: string;

  /** @param root The served directory. */
  constructor(root: string) {
    this.#root = root;
  }

  /** The name at a path. */
  name(path: string): Name {
    const known = this.names.get(path);
    if (known) return known;
    const made = new Name(path);
    this.names.set(path, made);
    return made;
  }

  /** A name that suits, if any. */
  pick(random: Random, suits: (name: Name) => boolean): Name | undefined {
    const all = [...this.names.values()].filter(suits);
    return all[random.below(all.length)];
  }

  /** The files below a directory that certainly are there; undefined when anything of it is in doubt. */
  settledTree(directory: string): Map<string, string> | undefined {
    const tree = new Map<string, string>();
    for (const { path, allowed, doubtful } of this.names.values()) {
      if (!path.startsWith(`${directory}/`)) continue;
      const [state] = allowed;
      if (doubtful) return undefined;
      if (typeof state === "string") tree.set(path, state);
    }
    return tree.size > 0 ? tree : undefined;
  }

  /** Fails unless the file on the disk is what its name may show. */
  async checkDisk(name: Name): Promise<State> {
    return await name.check(() => shownBy(`${this.#root}/${name.path}`), "the file on the disk");
  }

  /**
   * Changes names: meanwhile, and when it fails, each may show the old or the new. After it has succeeded the disk must
   * have the new.
   *
   * @param isUnsure Whether, though it has succeeded, an earlier attempt may still arrive.
   */
  async change(to: ReadonlyMap<string, State>, operation: () => Promise<unknown>, isUnsure: () => boolean) {
    const names = [...to].map(([path, state]) => ({ name: this.name(path), state }));
    for (const { name, state } of names) {
      name.may(state);
      name.uploaded = undefined;
    }
    try {
      await operation();
    } catch (error) {
      for (const { name } of names) name.doubtful = true;
      throw error;
    }
    for (const { name, state } of names) {
      name.is(state);
      name.doubtful ||= isUnsure();
      await this.checkDisk(name);
    }
  }

  /** Looks at everything while nothing is under way: it must be allowed, and is certain from now on. */
  async settle(): Promise<void> {
    for (const name of this.names.values()) {
      name.is(await this.checkDisk(name));
      name.doubtful = false;
    }
  }
}
