import { cannot } from "../../core/errors.ts";

/** Whether there is a directory at a local path. */
export function isLocalDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw cannot("use", path, error);
  }
}
