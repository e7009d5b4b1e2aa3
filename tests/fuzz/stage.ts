import { createHash } from "node:crypto";
import { assert, assertEquals, assertFalse } from "@std/assert";
import { join } from "@std/path";
import { includesBytes, sameBytes } from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";

/** What stands in every file outside the served directory, and must never be sent. */
const MARK = "OUTSIDE-7f3a9c-NEVER-SENT";
const MARK_SHA256 = createHash("sha256").update(MARK).digest("hex");

/** A file that no request names, so that it must stay as it is. */
export const UNTOUCHED = "untouched 天线.bin";

const FILES = {
  [UNTOUCHED]: bytes(3000, 1),
  "a.txt": new TextEncoder().encode("hello"),
  "empty.txt": new Uint8Array(),
  "dir/b.bin": bytes(5000, 2),
  "dir/sub/c.txt": bytes(100, 3),
  "large.bin": bytes(1_200_000, 4),
} as const;

/** Links, the last of which leads outside when it is moved up. */
const LINKS = {
  "out.txt": "../a.txt",
  "out": "../outside",
  "in.txt": "a.txt",
  "in": "dir",
  "loop": "loop",
  "dir/up.txt": "../a.txt",
} as const;

/** Long ago, so that reading does not wait for the file system's clock. */
const LONG_AGO = new Date(1_600_000_000_000);

/** The names that requests use: of things that are there, that may come, and that must not be reached. */
export const PATHS: readonly [string, ...string[]] = [
  ...["a.txt", "empty.txt", "dir/b.bin", "dir/sub/c.txt", "large.bin", "in.txt", "in/b.bin", "dir/up.txt", "up.txt"],
  ...["dir", "dir/sub", "in", "new.txt", "new.txt", "dir/new.bin", "dir/new.bin", "made", "made/deeper", "moved.txt"],
  ...["out.txt", "out", "out/secret.txt", "out/new.txt", "../a.txt", "../outside/secret.txt", "loop", "loop/a"],
  ...["", ".", "..", "/etc/hostname", "a.txt/b", "dir/../a.txt", "dir//b.bin", "a\u0000", "a\\..\\b", "x".repeat(300)],
  ...[".ferry-0000000000000000.part", "dir/.FERRY-x", "a/".repeat(200) + "a", "\u202egpj.exe"],
] as [string, ...string[]];

/** Something in a directory, as `lstat` sees it. */
interface Found {
  readonly path: string;
  readonly isFile: boolean;
  /** All that changes when it does. */
  readonly look: string;
}

function* walk(root: string, directory = ""): Generator<Found> {
  for (const { name, isFile, isDirectory } of Deno.readDirSync(join(root, directory))) {
    const path = directory + name;
    const { ino, size, mtime } = Deno.lstatSync(join(root, path));
    const look = isDirectory ? `${path}/` : `${path} ${ino} ${size} ${mtime?.getTime()}`;
    yield { path, isFile, look };
    if (isDirectory) yield* walk(root, `${path}/`);
  }
}

/** A directory to serve, and one beside it that nobody may reach. */
export class Stage implements AsyncDisposable {
  readonly #outer: TempDir;
  readonly root: string;
  /** How everything looked when it was set up. */
  #looks = new Set<string>();

  private constructor(outer: TempDir) {
    this.#outer = outer;
    this.root = outer.join("root");
    Deno.mkdirSync(outer.join("outside"));
    Deno.writeTextFileSync(outer.join("a.txt"), MARK);
    Deno.writeTextFileSync(outer.join("outside", "secret.txt"), MARK);
    this.#setUp();
  }

  static async create(): Promise<Stage> {
    return new Stage(await tempDir());
  }

  /** The contents that files have in the beginning. */
  get contents(): readonly Uint8Array[] {
    return Object.values(FILES);
  }

  /** The content of the file that no request names. */
  get untouched(): Uint8Array {
    return FILES[UNTOUCHED];
  }

  /** Fails when something that was sent gives away what is outside, or where the directory is. */
  checkReply(reply: Uint8Array): void {
    for (const secret of [MARK, MARK_SHA256, this.#outer.path]) {
      assertFalse(includesBytes(reply, new TextEncoder().encode(secret)), `${secret} was sent`);
    }
  }

  /**
   * Fails when something outside has changed, or a file has a content that nobody has sent. Then makes everything as it
   * was in the beginning.
   *
   * @param sent The contents that uploads may have left.
   */
  checkAndReset(sent: readonly Uint8Array[]): void {
    this.#checkOutside();
    const known = [...this.contents, ...sent];
    const looks = new Set<string>();
    for (const { path, isFile, look } of walk(this.root)) {
      looks.add(look);
      if (this.#looks.has(look) || !isFile || path.includes(".ferry-")) continue;
      const content = Deno.readFileSync(join(this.root, path));
      assert(
        known.some((each) => sameBytes(each, content)),
        `${path} has ${content.length} bytes that nobody has sent as a whole file`,
      );
    }
    assert(looks.has(this.#lookOf(UNTOUCHED)), "the untouched file is gone");
    if (looks.symmetricDifference(this.#looks).size === 0) return;
    Deno.removeSync(this.root, { recursive: true });
    this.#setUp();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#outer[Symbol.asyncDispose]();
  }

  #lookOf(path: string): string {
    return [...this.#looks].find((look) => look.startsWith(`${path} `)) ?? "";
  }

  #checkOutside(): void {
    const names = (path: string) => Array.from(Deno.readDirSync(path), ({ name }) => name).sort();
    assertEquals(names(this.#outer.path), ["a.txt", "outside", "root"]);
    assertEquals(names(this.#outer.join("outside")), ["secret.txt"]);
    assertEquals(Deno.readTextFileSync(this.#outer.join("a.txt")), MARK);
    assertEquals(Deno.readTextFileSync(this.#outer.join("outside", "secret.txt")), MARK);
  }

  #setUp(): void {
    Deno.mkdirSync(join(this.root, "dir", "sub"), { recursive: true });
    for (const [path, content] of Object.entries(FILES)) {
      Deno.writeFileSync(join(this.root, path), content);
      Deno.utimeSync(join(this.root, path), LONG_AGO, LONG_AGO);
    }
    for (const [path, target] of Object.entries(LINKS)) Deno.symlinkSync(target, join(this.root, path));
    this.#looks = new Set(walk(this.root).map(({ look }) => look));
  }
}
