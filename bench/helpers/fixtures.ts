import { join } from "@std/path";

const CHUNK_BYTES = 1024 * 1024;
/** As much as `crypto.getRandomValues` gives at once. */
const RANDOM_BYTES = 65_536;

/** So many files are in one directory of a tree at most. */
const FILES_PER_DIRECTORY = 1_000;

function fillRandom(bytes: Uint8Array<ArrayBuffer>): void {
  for (let at = 0; at < bytes.length; at += RANDOM_BYTES) {
    crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES));
  }
}

/** Writes a file of random bytes. */
export function randomFile(path: string, size: number): void {
  const chunk = new Uint8Array(CHUNK_BYTES);
  using file = Deno.openSync(path, { create: true, truncate: true, write: true });
  for (let left = size; left > 0;) {
    const piece = chunk.subarray(0, Math.min(left, chunk.length));
    fillRandom(piece);
    let written = 0;
    while (written < piece.length) written += file.writeSync(piece.subarray(written));
    left -= piece.length;
  }
}

/** Makes a file of zeros that takes no room on the disk. */
export function sparseFile(path: string, size: number): void {
  using file = Deno.openSync(path, { create: true, truncate: true, write: true });
  file.truncateSync(size);
}

/** The name of file number `i`, with the directory that it is in. */
function treeName(i: number): string {
  return `d${Math.floor(i / FILES_PER_DIRECTORY)}/f${String(i).padStart(5, "0")}.bin`;
}

/**
 * Makes a tree of files of random bytes.
 *
 * @returns Their names, relative to `root`.
 */
export function randomTree(root: string, files: number, size: number): string[] {
  const bytes = new Uint8Array(size);
  const names = Array.from({ length: files }, (_, i) => treeName(i));
  for (let i = 0; i < files; i += FILES_PER_DIRECTORY) {
    Deno.mkdirSync(join(root, `d${Math.floor(i / FILES_PER_DIRECTORY)}`), { recursive: true });
  }
  for (const name of names) {
    fillRandom(bytes);
    Deno.writeFileSync(join(root, name), bytes);
  }
  return names;
}

/** Makes a directory of empty files. */
export function emptyFiles(directory: string, files: number): void {
  Deno.mkdirSync(directory, { recursive: true });
  for (let i = 0; i < files; i++) {
    Deno.openSync(join(directory, `entry-${String(i).padStart(6, "0")}`), { create: true, write: true }).close();
  }
}

/** Removes a file or tree, if it is there. */
export async function removeAll(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Makes the system own the free memory that `size` bytes of files need, by writing such a file and removing it. Virtual
 * machines get memory only when they touch it and give it back soon after; who runs next would pay for that, and not
 * everyone the same.
 *
 * @param path A name that is free; it is free again afterwards.
 */
export function warmMemory(path: string, size: number): void {
  const chunk = new Uint8Array(CHUNK_BYTES);
  {
    using file = Deno.openSync(path, { createNew: true, write: true });
    for (let left = size; left > 0;) left -= file.writeSync(chunk.subarray(0, Math.min(left, chunk.length)));
  }
  Deno.removeSync(path);
}
