import { printable } from "../../core/text.ts";

/** What a server needs: the network, one directory, and what its options name. */
export interface Needs {
  readonly directory: string;
  readonly write: boolean;
  /** Other files that it reads and writes. */
  readonly files: readonly string[];
  /** Files that it only reads. */
  readonly reads?: readonly string[];
  /** Whether it asks for the free space on the disk. */
  readonly space?: boolean;
  readonly args: readonly string[];
}

/** The permission for `Deno.statfs`. */
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

/** `word` quoted for a shell (POSIX, "Shell Command Language", 2.2.2). */
function shellWord(word: string): string {
  return /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command line that grants a server what it needs and no more. */
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
 * Gets access to the directory and files; asks for it on a terminal. Call it before listening: Deno's question blocks
 * the whole process.
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

/** The permissions that the process has and does not need, in words; empty if there are none. */
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
