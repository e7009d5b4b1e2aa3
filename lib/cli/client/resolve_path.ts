import { cannot, FerryError } from "../../core/errors.ts";

/**
 * The path on the server that the user means by `name`, seen from the directory `cwd`: `.` and `..` are resolved,
 * a leading `/` means the served directory, and one trailing `/` is allowed. Everything else is left for the server
 * to judge.
 *
 * @param cwd A path on the server; empty for the served directory.
 * @returns A path on the server; empty for the served directory.
 * @throws {FerryError} `InvalidPath` when it would leave the served directory.
 */
export function resolveRemote(cwd: string, name: string): string {
  const absolute = name.startsWith("/");
  const path = cwd === "" || absolute ? [] : cwd.split("/");
  const segments = name.slice(absolute ? 1 : 0).replace(/(?<=.)\/$/, "").split("/");
  if (segments.length === 1 && segments[0] === "" && absolute) return "";
  for (const segment of segments) {
    if (segment === ".") continue;
    if (segment !== "..") path.push(segment);
    else if (path.pop() === undefined) {
      throw cannot("use", name, new FerryError("InvalidPath", "it leads out of the served directory"));
    }
  }
  return path.join("/");
}

/** The last name in a path on the server. */
export function remoteBasename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
