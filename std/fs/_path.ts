import { fromFileUrl } from "@std/path";

/** The path that a path or a file URL names. */
export function toPath(path: string | URL): string {
  return path instanceof URL ? fromFileUrl(path) : path;
}
