import { resolve } from "@std/path";
import { cannot, FerryError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { ifThere } from "../../transfer/copy.ts";
import { expandHome } from "./home_directory.ts";
import type { Invocation } from "./invocation.ts";
import { isLocalDirectory } from "./local_directory.ts";

/** `cd [DIRECTORY]` */
export async function cd({ shell, args: [name = "/"], signal }: Invocation): Promise<void> {
  const path = shell.remote(name, "enter");
  // Without the right to look, a missing directory shows only when something is put there.
  if (await shell.may("read", signal)) {
    const found = await ifThere(shell.storage.stat(path, { signal }));
    if (!found) throw cannot("enter", name, new FerryError("NotFound", "no such directory"));
    if (found.kind !== "directory") {
      throw cannot("enter", name, new FerryError("NotADirectory", "it is not a directory"));
    }
  }
  shell.remoteDirectory = path;
}

/** `pwd` */
export async function pwd({ shell }: Invocation): Promise<void> {
  await shell.output.print(`/${printable(shell.remoteDirectory)}\n`);
}

/** `lcd [DIRECTORY]` */
export function lcd({ shell, args: [name = expandHome("~")] }: Invocation): void {
  const path = resolve(shell.local(name));
  if (!isLocalDirectory(path)) {
    throw cannot("enter", name, new FerryError("NotADirectory", "there is no such directory here"));
  }
  shell.localDirectory = path;
}

/** `lpwd` */
export async function lpwd({ shell }: Invocation): Promise<void> {
  await shell.output.print(`${printable(resolve(shell.localDirectory))}\n`);
}
