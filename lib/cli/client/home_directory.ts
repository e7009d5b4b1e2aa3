import { cannot, FerryError } from "../../core/errors.ts";
import { valueOf } from "../terminal/environment.ts";

/** A local path as a user types it where no shell reads it first: `~`, or `~/` in front, is the home directory. */
export function expandHome(name: string): string {
  const [tilde = "", user = ""] = /^~([^/]*)/.exec(name) ?? [];
  if (tilde === "") return name;
  const meant = `"./${name}" is the name as it stands`;
  if (user !== "") {
    throw cannot("use", name, new FerryError("InvalidPath", `the home of others is not known; ${meant}`));
  }
  const home = valueOf("HOME");
  if (home === undefined) {
    throw cannot("use", name, new FerryError("Refused", `HOME is not set, or not allowed to be read; ${meant}`));
  }
  return home + name.slice(1);
}
