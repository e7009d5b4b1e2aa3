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

/** What may be a secret or a piece of a ticket, also a mistyped one. */
const SECRET = /ferry:|[a-z2-7]{20}/i;

/** Whether a line may be kept: nothing that a terminal would obey, and nothing that may be a secret. */
function isKept(line: string): boolean {
  return line.trim() !== "" && line.length <= MAX_LINE && printable(line) === line && !SECRET.test(line);
}

/** The directory where programs keep such things for the user; undefined if the environment does not say it. */
function stateDirectory(): string | undefined {
  if (Deno.build.os === "windows") return valueOf("LOCALAPPDATA");
  const home = valueOf("HOME");
  if (Deno.build.os === "darwin") return home && join(home, "Library", "Application Support");
  const state = valueOf("XDG_STATE_HOME");
  return state?.startsWith("/") ? state : home && join(home, ".local", "state");
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
      const { isFile, size, mode } = Deno.statSync(this.#file);
      if (!isFile || size > MAX_FILE_BYTES) {
        this.#file = undefined;
        return [];
      }
      if (mode !== null && (mode & OTHERS) !== 0) Deno.chmodSync(this.#file, 0o600);
      const all = Deno.readTextFileSync(this.#file).split("\n").filter(isKept);
      const lines = all.slice(-MAX_HISTORY_LINES);
      this.#last = lines.at(-1);
      // Not for every line: others may add theirs at the same time.
      if (all.length > 2 * MAX_HISTORY_LINES) this.#shorten(this.#file, lines);
      return lines;
    } catch {
      return [];
    }
  }

  /** Keeps a line for later sessions, if it may be kept. Sessions at the same time keep theirs in the same file. */
  add(line: string): void {
    if (this.#file === undefined || line === this.#last || !isKept(line)) return;
    this.#last = line;
    try {
      Deno.mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
      Deno.writeTextFileSync(this.#file, `${line}\n`, { append: true, mode: 0o600 });
    } catch {
      // The disk is full, or the directory is not ours.
    }
  }

  #shorten(file: string, lines: readonly string[]): void {
    const temporary = `${file}.${Deno.pid}`;
    Deno.writeTextFileSync(temporary, `${lines.join("\n")}\n`, { mode: 0o600 });
    Deno.renameSync(temporary, file);
  }
}
