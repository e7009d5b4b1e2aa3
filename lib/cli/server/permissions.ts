import { printable } from "../../core/text.ts";

/** What a server needs: the network, one directory, and what its options name. */
export interface Needs {
  readonly directory: string;
  readonly write: boolean;
  /** Files that it reads and writes besides. */
  readonly files: readonly string[];
  /** Files that it only reads. */
  readonly reads?: readonly string[];
  /** Whether it asks how full the disk is. */
  readonly space?: boolean;
  readonly args: readonly string[];
}

/** The kind of permission that Deno asks for `statfs`. */
const SPACE = "statfs";

function pathsOf({ directory, write, files, reads = [] }: Needs): { readable: string[]; writable: string[] } {
  return { readable: [directory, ...files, ...reads], writable: write ? [directory, ...files] : [...files] };
}

function descriptors(needs: Needs): Deno.PermissionDescriptor[] {
  const { readable, writable } = pathsOf(needs);
  return [
    ...readable.map((path) => ({ name: "read", path } as const)),
    ...writable.map((path) => ({ name: "write", path } as const)),
    ...(needs.space ? [{ name: "sys", kind: SPACE } as const] : []),
  ];
}

/** `word` as a shell takes it literally (POSIX, "Shell Command Language", 2.2.2). */
function shellWord(word: string): string {
  return /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command line that grants a server exactly what it needs. */
export function grantingCommand(needs: Needs): string {
  const list = (paths: readonly string[]) => paths.map(shellWord).join(",");
  const { readable, writable } = pathsOf(needs);
  const rights = [
    `--allow-read=${list(readable)}`,
    ...(writable.length > 0 ? [`--allow-write=${list(writable)}`] : []),
    ...(needs.space ? [`--allow-sys=${SPACE}`] : []),
  ];
  return printable(["deno run --allow-net", ...rights, "server.ts", ...needs.args.map(shellWord)].join(" "));
}

/**
 * Gets access to the directory, by asking on a terminal. To be called before listening, since a question stops
 * everything else.
 *
 * @returns Whether access was granted.
 */
export async function obtain(needs: Needs): Promise<boolean> {
  for (const descriptor of descriptors(needs)) {
    // Without a terminal this answers at once.
    const { state } = await Deno.permissions.request(descriptor);
    if (state !== "granted") return false;
  }
  return true;
}

/** What the process may do beyond serving the directory, for people; empty when that is nothing. */
export async function excess(): Promise<string[]> {
  const rights: [Deno.PermissionDescriptor, string][] = [
    [{ name: "read" }, "read every file"],
    [{ name: "write" }, "write every file"],
    [{ name: "run" }, "run programs"],
    [{ name: "env" }, "see the environment"],
    [{ name: "sys" }, "see details of the system"],
    [{ name: "ffi" }, "load native libraries"],
  ];
  const states = await Promise.all(rights.map(([descriptor]) => Deno.permissions.query(descriptor)));
  return rights.filter((_, i) => states[i]?.state === "granted").map(([, right]) => right);
}
