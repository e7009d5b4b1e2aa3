import { dirname, join } from "@std/path";
import { printable } from "../../core/text.ts";
import { valueOf } from "../terminal/environment.ts";

/** How many lines are kept. */
export const MAX_HISTORY_LINES = 1000;

/** The longest line that is kept, in UTF-16 code units. */
const MAX_LINE = 4096;

/** The largest file that is read, in bytes: several clients may add lines before one of them shortens it. */
const MAX_FILE_BYTES = 4 * MAX_HISTORY_LINES * MAX_LINE;

/** The permission bits of group and others. */
const OTHERS = 0o077;

/** What may be a secret or a piece of a ticket, also a mistyped one … */
const SECRET = /[a-z2-7]{20}/i;

/** … and in a line without what readers of secrets and the shell leave out. Words in a row look like one only when they are long. */
const SPREAD_SECRET = /ferry:|[a-z2-7]{24}/i;
const LEFT_OUT = /[\s"'\\-]/g;

/** Whether a line may hold a secret, however it is written. */
function maybeSecret(line: string): boolean {
  return SECRET.test(line) || SPREAD_SECRET.test(line.replace(LEFT_OUT, ""));
}

/** Whether a line may be kept: nothing that a terminal would obey, and nothing that may be a secret. */
function isKept(line: string): boolean {
  return line.trim() !== "" && line.length <= MAX_LINE && printable(line) === line && !maybeSecret(line);
}

/** The directory where programs keep such things for the user; undefined if the environment does not say it. */
function stateDirectory(): string | undefined {
  if (Deno.build.os === "windows") return valueOf("LOCALAPPDATA");
  const home = valueOf("HOME");
  if (Deno.build.os === "darwin") return home && join(home, "Library", "Application Support");
  const state = valueOf("XDG_STATE_HOME");
  return state?.startsWith("/") ? state : home && join(home, ".local", "state");
}

/** What is at the path, if anything is. @throws When it is not a file: a link could lead to anything. */
function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    const info = Deno.lstatSync(path);
    if (!info.isFile) throw new TypeError("not a file");
    return info;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function mayUse(path: string): boolean {
  return (["read", "write"] as const).every((name) => Deno.permissions.querySync({ name, path }).state === "granted");
}

/** The lines that were typed at the prompt, in this session and earlier ones. A history that cannot be kept is no failure. */
export class History {
  /** Undefined when nothing is kept. */
  #file: string | undefined;
  #last: string | undefined;

  private constructor(file: string | undefined) {
    this.#file = file;
  }

  /** The user's, as far as Deno lets the program see it without a question. */
  static ofUser(): History {
    const directory = stateDirectory();
    const file = directory && join(directory, "ferry", "history");
    return new History(file && mayUse(dirname(file)) ? file : undefined);
  }

  /** One that begins empty and is forgotten. */
  static none(): History {
    return new History(undefined);
  }

  /** The lines of earlier sessions, the oldest first; at most 1,000. */
  lines(): string[] {
    if (this.#file === undefined) return [];
    try {
      const info = lookAt(this.#file);
      if (!info) return [];
      if (info.size > MAX_FILE_BYTES) throw new RangeError("not a history");
      // Only the owner may do that, so what was open to others is the user's own.
      if (info.mode !== null && (info.mode & OTHERS) !== 0) Deno.chmodSync(this.#file, 0o600);
      const all = Deno.readTextFileSync(this.#file).split("\n").filter(isKept);
      const lines = all.slice(-MAX_HISTORY_LINES);
      this.#last = lines.at(-1);
      // Not for every line: others may add theirs at the same time.
      if (all.length > 2 * MAX_HISTORY_LINES) this.#shorten(this.#file, lines);
      return lines;
    } catch {
      this.#file = undefined;
      return [];
    }
  }

  /** Keeps a line for later sessions, if it may be kept. Sessions at the same time keep theirs in the same file. */
  add(line: string): void {
    if (this.#file === undefined || line === this.#last || !isKept(line)) return;
    this.#last = line;
    try {
      Deno.mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
      lookAt(this.#file);
      Deno.writeTextFileSync(this.#file, `${line}\n`, { append: true, mode: 0o600 });
    } catch {
      // The disk is full, the directory is not ours, or something else is in the place of the file.
    }
  }

  #shorten(file: string, lines: readonly string[]): void {
    const temporary = `${file}.${Deno.pid}`;
    Deno.writeTextFileSync(temporary, `${lines.join("\n")}\n`, { mode: 0o600 });
    Deno.renameSync(temporary, file);
  }
}
