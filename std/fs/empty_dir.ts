import { join } from "@std/path";
import { toPath } from "./_path.ts";

/**
 * Makes sure that a directory exists and is empty: removes what it holds, or creates it with its parents.
 *
 * @param dir The directory. It is not removed itself.
 */
export async function emptyDir(dir: string | URL): Promise<void> {
  const path = toPath(dir);
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(path, { recursive: true });
    return;
  }
  await Promise.all(names.map((name) => Deno.remove(join(path, name), { recursive: true })));
}
