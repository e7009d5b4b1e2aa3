import { MAX_FRAME_BYTES } from "./constants.ts";

/** Size of a pooled buffer: the largest frame, and room for the small frames before or after it. */
export const BUFFER_BYTES = MAX_FRAME_BYTES + 64 * 1024;

/** Size of the smaller pooled buffers: the largest control frame, or a small file, and room for what goes with it. */
export const MEDIUM_BUFFER_BYTES = 68 * 1024;

/** How many unused buffers of each size are kept for the next taker; more are left to the garbage collector. */
const MAX_SPARE = 64;

/** Unused buffers by their size. */
const spares = new Map<number, Uint8Array<ArrayBuffer>[]>([[MEDIUM_BUFFER_BYTES, []], [BUFFER_BYTES, []]]);

/** Takes a buffer of at least `bytes`, which are at most {@linkcode BUFFER_BYTES}, for exclusive use. Its content is undefined. */
export function takeBuffer(bytes = BUFFER_BYTES): Uint8Array<ArrayBuffer> {
  const size = bytes > MEDIUM_BUFFER_BYTES ? BUFFER_BYTES : MEDIUM_BUFFER_BYTES;
  return spares.get(size)?.pop() ?? new Uint8Array(size);
}

/** Gives a buffer back. The caller must not touch it, or any view of it, afterwards. */
export function giveBuffer(buffer: Uint8Array<ArrayBuffer>): void {
  const spare = spares.get(buffer.length);
  if (spare && spare.length < MAX_SPARE) spare.push(buffer);
}
