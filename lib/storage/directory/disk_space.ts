import { promises, statfsSync, type StatsFs } from "node:fs";
import { FerryError } from "../../core/errors.ts";
import type { Space } from "../../core/metadata.ts";

function spaceFrom({ bavail, blocks, bsize }: StatsFs): Space {
  // Some network file systems report more than a number can hold exactly.
  const bytes = (count: number) => Math.min(count * bsize, Number.MAX_SAFE_INTEGER);
  return { free: bytes(bavail), total: bytes(blocks) };
}

/**
 * The space on the disk that a directory is on.
 *
 * @throws {FerryError} `Unsupported` when this process may not ask the system. Deno would ask at the terminal, and
 * hold up everything meanwhile.
 */
export async function diskSpace(directory: string): Promise<Space> {
  const { state } = await Deno.permissions.query({ name: "sys", kind: "statfs" });
  if (state !== "granted") {
    throw new FerryError("Unsupported", "the server needs --allow-sys=statfs to know the space on its disk");
  }
  return spaceFrom(await promises.statfs(directory));
}

/**
 * Checks that this many more bytes fit, with `keepFree` bytes of the disk left free. To be called before each write: it
 * costs a hundredth of writing 1 MiB.
 *
 * @throws {FerryError} `NoSpace` when they would not leave enough.
 */
export function requireSpace(directory: string, bytes: number, keepFree = 0): void {
  if (keepFree === 0) return;
  if (spaceFrom(statfsSync(directory)).free - bytes >= keepFree) return;
  throw new FerryError("NoSpace", `the server keeps ${keepFree} bytes of its disk free`);
}
