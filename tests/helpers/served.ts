import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** A served directory with something beside it that must stay out of reach. */
export interface Served extends AsyncDisposable {
  readonly storage: DirectoryStorage;
  /** The served directory. */
  readonly root: string;
  /** A path in the served directory. */
  inside(...names: string[]): string;
  /** A path in the directory beside it, which holds `secret.txt` and `d/deep.txt`. */
  outside(...names: string[]): string;
}

/** What `secret.txt` holds. */
export const SECRET = "nobody may read this";

/** Makes an empty served directory: `await using served = await serveTemp();` */
export async function serveTemp(): Promise<Served> {
  const dir: TempDir = await tempDir();
  await Deno.mkdir(dir.join("root"));
  // A name that begins with that of the root, to find comparisons of prefixes.
  await Deno.mkdir(dir.join("root-outside", "d"), { recursive: true });
  await Deno.writeTextFile(dir.join("root-outside", "secret.txt"), SECRET);
  await Deno.writeTextFile(dir.join("root-outside", "d", "deep.txt"), SECRET);
  return {
    storage: DirectoryStorage.open(dir.join("root")),
    root: dir.join("root"),
    inside: (...names) => dir.join("root", ...names),
    outside: (...names) => dir.join("root-outside", ...names),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}
