import { assert, assertEquals, assertFalse } from "@std/assert";
import { join } from "@std/path";
import { type TempDir, tempDir } from "./temp.ts";

/** Stands in every file outside, and in no answer. */
const MARK = "OUTSIDE-51c0d7-NEVER-SENT";

/** The names that are inside as well as outside: what is done to one must not happen to the other. */
export const SHARED_NAMES = ["n", "x", "y", "z"] as const;

/** Files in a directory of either side; more than a server looks at in one turn. */
export const FILES = 150;

/** Every size outside is this and up to a hundred more bytes; nothing inside is so large. */
const OUTSIDE_BYTES = 7_770_000;
const OUTSIDE_SIZE = /"size":77700\d\d\b/;

/** Every time outside, in ms, to the last three digits. */
const OUTSIDE_MS = 1_111_111_111_000;
const OUTSIDE_TIME = /"mtimeMs":1111111111\d{3}\b/;

const decoder = new TextDecoder("utf-8", { fatal: false });

/** The name of a file that is there inside and outside. */
export function fileName(i: number): string {
  return `f${String(i % FILES).padStart(3, "0")}`;
}

/** Everything in a directory, `skipped` left out, as `lstat` sees it. */
function* looks(directory: string, skipped: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = join(directory, name);
    if (path === skipped) continue;
    const { ino, size, mtime, mode, isFile } = Deno.lstatSync(path);
    yield [path, ino, isFile && size, mtime?.getTime(), mode].join(" ");
    if (isDirectory) yield* looks(path, skipped);
  }
}

/**
 * A directory to serve, in one that holds known things, whose names are known to attackers. Their sizes and times are
 * like no others, so that they show wherever they come out.
 */
export class Grounds implements AsyncDisposable {
  readonly #outer: TempDir;
  /** The directory to serve. */
  readonly root: string;
  readonly #before: readonly string[];

  private constructor(outer: TempDir) {
    this.#outer = outer;
    this.root = outer.join("root");
    Deno.mkdirSync(this.root);
    this.#furnish(outer.path, "");
    for (const name of SHARED_NAMES) this.#furnish(outer.join(name), name);
    for (const name of SHARED_NAMES) this.#setTimes(outer.join(name));
    this.#setTime(outer.path, 3);
    this.#before = this.#now();
  }

  static async create(): Promise<Grounds> {
    return new Grounds(await tempDir());
  }

  /** A path beside the directory that holds everything, for what the one who attacks needs himself. */
  get log(): string {
    return `${this.#outer.path}.log`;
  }

  /** Fails when what a server has sent gives away what is outside, or where the directory is. */
  checkSent(payload: Uint8Array): void {
    const text = decoder.decode(payload);
    for (const secret of [MARK, this.#outer.path]) assertFalse(text.includes(secret), `${secret} was sent: ${text}`);
    for (const secret of [OUTSIDE_SIZE, OUTSIDE_TIME]) {
      const at = text.search(secret);
      assert(at < 0, `size or time of something outside was sent: ${text.slice(Math.max(0, at - 200), at + 200)}`);
    }
  }

  /** Fails when anything outside has changed. */
  checkOutside(): void {
    const now = new Set(this.#now());
    const gone = this.#before.filter((look) => !now.has(look));
    const come = [...now.difference(new Set(this.#before))];
    assertEquals({ gone: gone.slice(0, 5), come: come.slice(0, 5) }, { gone: [], come: [] }, "outside has changed");
  }

  /** Fails for a file inside that has another content than one of these. */
  checkInside(contents: readonly Uint8Array[]): void {
    const known = new Map(contents.map((content) => [content.length, content]));
    const check = (directory: string) => {
      for (const { name, isFile, isDirectory } of Deno.readDirSync(directory)) {
        const path = join(directory, name);
        if (isDirectory) check(path);
        if (!isFile || name.startsWith(".ferry-")) continue;
        const wanted = known.get(Deno.lstatSync(path).size);
        assert(wanted, `${path} has a size that no file may have`);
        if (wanted.length > 0) assertEquals(Deno.readFileSync(path), wanted);
      }
    };
    check(this.root);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#outer[Symbol.asyncDispose]();
    await Deno.remove(this.log).catch(() => {});
  }

  #now(): string[] {
    const { path } = this.#outer;
    return [`${path} ${Deno.lstatSync(path).mtime?.getTime()}`, ...looks(path, this.root)];
  }

  /** Files and directories with the names that there are inside too, and one with a name that is nowhere else. */
  #furnish(directory: string, name: string): void {
    Deno.mkdirSync(directory, { recursive: true });
    for (let i = 0; i < FILES; i++) this.#makeFile(join(directory, fileName(i)), i);
    this.#makeFile(join(directory, MARK), 0);
    if (name === "") return;
    for (const below of SHARED_NAMES) {
      Deno.mkdirSync(join(directory, below));
      for (let i = 0; i < 3; i++) this.#makeFile(join(directory, below, fileName(i)), i);
    }
  }

  #makeFile(path: string, i: number): void {
    Deno.writeTextFileSync(path, MARK);
    Deno.truncateSync(path, OUTSIDE_BYTES + i % 100);
    this.#setTime(path, i);
  }

  #setTimes(directory: string): void {
    for (const below of SHARED_NAMES) this.#setTime(join(directory, below), 1);
    this.#setTime(directory, 2);
  }

  #setTime(path: string, i: number): void {
    const time = new Date(OUTSIDE_MS + i % 1000);
    Deno.utimeSync(path, time, time);
  }
}
