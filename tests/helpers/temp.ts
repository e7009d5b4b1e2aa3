import { join } from "@std/path";

/** A directory that is removed, with all that is in it, at the end of its scope. */
export class TempDir implements AsyncDisposable {
  /** The real path of the directory. */
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The path of something in the directory. */
  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Makes an empty directory: `await using dir = await tempDir();` */
export async function tempDir(): Promise<TempDir> {
  return new TempDir(await Deno.realPath(await Deno.makeTempDir({ prefix: "ferry-test-" })));
}
