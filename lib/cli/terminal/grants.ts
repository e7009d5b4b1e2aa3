import { basename, dirname, resolve } from "@std/path";
import { cannot, FerryError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

/** What Deno can be asked to let a program do with a path. */
export type Access = "read" | "write";

/** `word` quoted for a shell (POSIX, "Shell Command Language", 2.2.2). */
export function shellWord(word: string): string {
  return /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The option of Deno that allows it, for a shell: `--allow-read=files`. */
export function grant(name: Access | "sys" | "net", values: readonly string[]): string {
  return `--allow-${name}=${values.map(shellWord).join(",")}`;
}

function requireGranted(path: string, accesses: readonly Access[]): void {
  const missing = accesses.filter((name) => Deno.permissions.querySync({ name, path }).state !== "granted");
  if (missing.length === 0) return;
  // A pattern, or most often a file; of both Ferry needs the directory.
  const wanted = /[.*?[{]/.test(basename(path)) ? dirname(path) : path;
  const options = missing.map((name) => grant(name, [wanted])).join(" ");
  const message = `Deno does not let Ferry ${missing.join(" and ")} it; start the client with ${printable(options)}`;
  throw cannot("use", path, new FerryError("Refused", message));
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    // Whatever opens it will say what is wrong.
    return undefined;
  }
}

/**
 * Makes sure that Ferry may use a path of this machine: at the prompt nobody can answer Deno's own question. That
 * includes where links lead, and the directory of a file, or of what is missing: Ferry works in there.
 *
 * @throws {FerryError} `Refused`, with the options that grant it.
 */
export function requireAccess(path: string, ...accesses: readonly Access[]): void {
  // Most often everything is granted, and there may be thousands of paths.
  if (accesses.every((name) => Deno.permissions.querySync({ name }).state === "granted")) return;
  for (let here = resolve(path);; here = dirname(here)) {
    requireGranted(here, accesses);
    const real = realPath(here);
    if (real === undefined) {
      if (here === dirname(here)) return;
      continue;
    }
    requireGranted(real, accesses);
    if (Deno.statSync(real).isDirectory) return;
  }
}

/** The same for a server. @throws {FerryError} As {@linkcode requireAccess}. */
export function requireNet(host: string): void {
  if (Deno.permissions.querySync({ name: "net", host }).state === "granted") return;
  const message = `Deno does not let Ferry use it; start the client with ${printable(grant("net", [host]))}`;
  throw cannot("connect to", host, new FerryError("Refused", message));
}
