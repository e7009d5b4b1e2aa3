import { createHash } from "node:crypto";
import { assert } from "@std/assert";
import { join } from "@std/path";

/** Names that are hard to write down. */
const ODD_NAMES = [
  "two\nlines",
  `it's "quoted" \`and\` \\escaped`,
  "-dash",
  "--help",
  "x".repeat(255),
  "天".repeat(85),
  "👩‍🚀 📡",
  " spaces at both ends ",
  "*?[a]{b}",
  "U+FFFD \ufffd",
  "$HOME ~ #",
];

/** What cannot be transferred, by path: why, in the words that are printed. */
export type Refused = Readonly<Record<string, string>>;

const ELSEWHERE = "a link that leads nowhere, out of the directory, or to a special file";

/** What is refused of a tree of every kind. */
export const REFUSED: Refused = {
  "bad/not utf-8 \ufffd": "its name is not UTF-8",
  "bad/not utf-8 \ufffd\ufffd": "its name is not UTF-8",
  "links/broken": ELSEWHERE,
  "links/circle": "it leads back to a directory above it",
  "links/itself": ELSEWHERE,
  "links/outside": ELSEWHERE,
  "special/pipe": "a pipe",
  "special/socket": "a socket",
};

/** What of it is refused, beside that, to those for whom permissions hold. */
export const CLOSED: Refused = {
  "closed/directory": "permission denied",
  "closed/file": "permission denied",
};

/** A time in ms, not on a whole second, another one for each `i`. */
function timeOf(i: number): Date {
  return new Date(1_500_000_000_123 + i * 1001);
}

/** A tree with every kind of entry that Linux has, at a path where nothing is. */
export class EveryKind implements AsyncDisposable {
  readonly path: string;
  readonly #socket: Deno.UnixListener;
  #times = 0;

  /** @param size How many files there are in one directory, and how large a file with next to nothing in it is. */
  constructor(path: string, { many, sparseBytes }: { readonly many: number; readonly sparseBytes: number }) {
    this.path = path;
    for (const name of ["many", "names", "bad", "special", "closed/directory", "links", "private", "fixed"]) {
      Deno.mkdirSync(join(path, name), { recursive: true });
    }
    this.#socket = Deno.listen({ transport: "unix", path: join(path, "special/socket") });
    this.#run(`mkfifo special/pipe; for byte in 376 377; do : > "bad/$(printf "not utf-8 \\\\$byte")"; done`);
    this.file("empty", "", 0o644);
    this.file("one byte", "1", 0o644);
    for (const mode of [0o600, 0o755, 0o444]) this.file(`mode ${mode.toString(8)}`, "x".repeat(mode), mode);
    for (const name of ODD_NAMES) this.file(`names/${name}`, name, 0o640);
    for (let i = 0; i < many; i++) this.file(`many/${i}`, `${i}`, 0o644);
    this.#sparse(sparseBytes);
    const deep = Array.from({ length: 99 }, (_, i) => `d${i}`).join("/");
    Deno.mkdirSync(join(path, deep), { recursive: true });
    for (const name of [`${deep}/file`, "private/file", "fixed/file", "closed/directory/file"]) {
      this.file(name, name, 0o644);
    }
    this.file("closed/file", "closed", 0o000);
    for (
      const [name, target] of Object.entries({
        file: "../one byte",
        directory: "../fixed",
        chain: "directory",
        outside: "/",
        broken: "nothing",
        circle: "..",
        itself: "itself",
      })
    ) Deno.symlinkSync(target, join(path, "links", name));
    this.#finishDirectory("closed/directory", 0o000);
    for (const name of ["many", "names", "bad", "special", "closed", "links", "d0/d1", "d0"]) {
      this.#finishDirectory(name, 0o755);
    }
    this.#finishDirectory("private", 0o700);
    this.#finishDirectory("fixed", 0o555);
  }

  /** Makes a file with a time of its own. */
  file(name: string, content: string, mode: number): void {
    const path = join(this.path, name);
    Deno.writeTextFileSync(path, content);
    Deno.chmodSync(path, mode);
    const time = timeOf(this.#times++);
    Deno.utimeSync(path, time, time);
  }

  /** Makes a file with a few bytes at its end, and a hole before them. */
  #sparse(bytes: number): void {
    this.file("sparse", "", 0o644);
    const path = join(this.path, "sparse");
    const { mtime } = Deno.statSync(path);
    Deno.truncateSync(path, bytes);
    Deno.writeTextFileSync(path, "end", { append: true });
    Deno.utimeSync(path, mtime ?? 0, mtime ?? 0);
  }

  #finishDirectory(name: string, mode: number): void {
    const path = join(this.path, name);
    const time = timeOf(this.#times++);
    Deno.utimeSync(path, time, time);
    Deno.chmodSync(path, mode);
  }

  #run(script: string): void {
    const { success } = new Deno.Command("sh", { args: ["-c", script], cwd: this.path }).outputSync();
    assert(success, script);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await openUp(this.path);
  }
}

/** Lets everything in a directory be removed. */
export async function openUp(path: string): Promise<void> {
  await new Deno.Command("chmod", { args: ["-R", "u+rwX", path] }).output();
}

/** The SHA-256 of a file. */
function digest(path: string): string {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1024 * 1024);
  using file = Deno.openSync(path);
  for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) hash.update(buffer.subarray(0, n));
  return hash.digest("hex");
}

/**
 * All that is in a directory, links followed: a line for each entry with kind, path, permission bits, time in ms, and of
 * files size and content.
 *
 * @param without Paths that are left out, with what is in them.
 */
export function describe(root: string, without: readonly string[] = [], directory = ""): string[] {
  const lines: string[] = [];
  for (const { name } of Deno.readDirSync(join(root, directory))) {
    const path = directory + name;
    if (without.includes(path)) continue;
    const { isDirectory, isFile, mode, mtime, size } = Deno.statSync(join(root, path));
    const shown = `${JSON.stringify(path)} ${((mode ?? 0) & 0o7777).toString(8)} ${mtime?.getTime()}`;
    if (isDirectory) lines.push(`directory ${shown}`, ...describe(root, without, `${path}/`));
    else lines.push(`${isFile ? "file" : "special"} ${shown} ${size} ${digest(join(root, path))}`);
  }
  return lines.sort();
}
