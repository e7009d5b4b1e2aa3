import { printable } from "../../core/text.ts";
import { grant, shellWord } from "../terminal/grants.ts";

/** What a server needs beside the network: paths that it reads and writes, and what it asks the system. */
export interface Needs {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly sys: readonly ("statfs" | "networkInterfaces")[];
}

/** The command line that grants a server what it needs and no more, with its arguments. */
export function grantingCommand(needs: Needs, args: readonly string[]): string {
  const rights = (["read", "write", "sys"] as const).filter((name) => needs[name].length > 0)
    .map((name) => grant(name, needs[name]));
  return printable(["deno run --allow-net", ...rights, "server.ts", ...args.map(shellWord)].join(" "));
}

/**
 * Gets access to what is needed; asks for it on a terminal. Call it before listening: Deno's question blocks the whole
 * process.
 *
 * @returns What was denied.
 */
export async function obtain({ read, write, sys }: Needs): Promise<keyof Needs | undefined> {
  const descriptors = [
    ...read.map((path) => ({ name: "read", path } as const)),
    ...write.map((path) => ({ name: "write", path } as const)),
    ...sys.map((kind) => ({ name: "sys", kind } as const)),
  ];
  for (const descriptor of descriptors) {
    // Without a terminal this answers at once.
    const { state } = await Deno.permissions.request(descriptor);
    if (state !== "granted") return descriptor.name;
  }
  return undefined;
}

/** The permissions that the process has and does not need, in words; empty if there are none. */
export async function excess(): Promise<string[]> {
  const rights: [Deno.PermissionDescriptor["name"], string][] = [
    ["read", "read every file"],
    ["write", "write every file"],
    ["run", "run programs"],
    ["env", "see the environment"],
    ["sys", "see details of the system"],
    ["ffi", "load native libraries"],
  ];
  const states = await Promise.all(rights.map(([name]) => Deno.permissions.query({ name })));
  return rights.filter((_, i) => states[i]?.state === "granted").map(([, right]) => right);
}
