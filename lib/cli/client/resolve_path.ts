import { cannot, FerryError } from "../../core/errors.ts";
import { isIn, splitPath } from "../../core/remote_path.ts";

/**
 * The path on the server that `name` means in the directory `cwd`: resolves `.` and `..`, takes a leading `/` for the
 * served directory, and several `/` for one. The server judges everything else.
 *
 * @param cwd A path on the server; empty for the served directory.
 * @returns A path on the server; empty for the served directory.
 * @throws {FerryError} `InvalidPath` if it leads out of the served directory.
 */
export function resolveRemote(cwd: string, name: string): string {
  const absolute = name.startsWith("/");
  const path = cwd === "" || absolute ? [] : cwd.split("/");
  const segments = name.split("/");
  for (const segment of segments) {
    if (segment === "." || segment === "" && name !== "") continue;
    if (segment !== "..") path.push(segment);
    else if (path.pop() === undefined) {
      throw cannot("use", name, new FerryError("InvalidPath", "it leads out of the served directory"));
    }
  }
  return path.join("/");
}

/** The last name in a path on the server. */
export function remoteBasename(path: string): string {
  return splitPath(path)[1];
}

/** A path on the server as it can be typed in the directory `cwd`. */
export function relativeTo(cwd: string, path: string): string {
  if (cwd === "") return path;
  return path !== cwd && isIn(path, cwd) ? path.slice(cwd.length + 1) : `/${path}`;
}
