import { Buffer } from "node:buffer";
import { join } from "@std/path";

const CHUNK_BYTES = 1024 * 1024;

function readFull(file: Deno.FsFile, into: Uint8Array): number {
  let n = 0;
  while (n < into.length) {
    const more = file.readSync(into.subarray(n));
    if (more === null) break;
    n += more;
  }
  return n;
}

function verifyBytes(source: string, copy: string): void {
  using a = Deno.openSync(source);
  using b = Deno.openSync(copy);
  const ours = Buffer.alloc(CHUNK_BYTES);
  const theirs = Buffer.alloc(CHUNK_BYTES);
  for (;;) {
    const n = readFull(a, ours);
    const same = readFull(b, theirs) === n && ours.subarray(0, n).equals(theirs.subarray(0, n));
    if (!same) throw new Error(`${copy} differs from ${source}`);
    if (n < CHUNK_BYTES) return;
  }
}

/**
 * Checks that a file has arrived whole.
 *
 * @param bytes Whether the bytes are compared too, not only the size.
 * @throws {Error} When it has not.
 */
export function verifyFile(source: string, copy: string, bytes: boolean): void {
  const wanted = Deno.statSync(source).size;
  const size = Deno.statSync(copy).size;
  if (size !== wanted) throw new Error(`${copy} has ${size} bytes instead of ${wanted}`);
  if (bytes) verifyBytes(source, copy);
}

/** Checks that all files of a tree have arrived whole. */
export function verifyTree(source: string, copy: string, names: readonly string[], bytes: boolean): void {
  for (const name of names) verifyFile(join(source, name), join(copy, name), bytes);
}
