import { assert } from "@std/assert";
import { join } from "@std/path";
import { hasTerminal } from "./process.ts";
import { bytes } from "./random.ts";
import { TempDir, tempDir } from "./temp.ts";

export const MIB = 1024 * 1024;

export const NO_TERMINAL = { ignore: !hasTerminal };
export const NOT_ON_WINDOWS = { ignore: Deno.build.os === "windows" };

/** A directory to serve and one for the client to work in. */
export class Places extends TempDir {
  readonly served = this.join("served");
  readonly here = this.join("here");

  /** The names in a directory, sorted. */
  static names(directory: string): string[] {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
  }
}

export async function places(files: Record<string, string | Uint8Array> = {}): Promise<Places> {
  const { path } = await tempDir();
  const result = new Places(path);
  await Deno.mkdir(result.served);
  await Deno.mkdir(result.here);
  for (const [name, content] of Object.entries(files)) {
    const data = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(join(result.served, name), data);
  }
  return result;
}

/** Fails when what people read looks like a program that broke. */
export function assertNoTrace(text: string): void {
  assert(!/Uncaught|^\s+at |Error:/m.test(text), `this is no message for people: ${text}`);
}

/** The size of the partial files in a directory. */
export function partialBytes(directory: string): number {
  const partials = Places.names(directory).filter((name) => name.startsWith(".ferry-"));
  return partials.reduce((size, name) => size + Deno.statSync(join(directory, name)).size, 0);
}

/** Where the proxies stop: after the greeting and a part of the file. */
export const STALL = 2 * MIB;
export const BIG = bytes(8 * MIB, 3);

export function at({ hostname, port }: { hostname: string; port: number }): string {
  return `${hostname}:${port}`;
}
