import { MAX_FRAME_BYTES } from "./constants.ts";

/** Size of a pooled buffer: the largest frame, and room for the small frames before or after it. */
export const BUFFER_BYTES = MAX_FRAME_BYTES + 64 * 1024;

/** How many unused buffers are kept for the next taker; more are left to the garbage collector. */
const MAX_SPARE = 64;

const spare: Uint8Array<ArrayBuffer>[] = [];

/** Takes a buffer of {@linkcode BUFFER_BYTES} for exclusive use. Its content is undefined. */
export function takeBuffer(): Uint8Array<ArrayBuffer> {
  return spare.pop() ?? new Uint8Array(BUFFER_BYTES);
}

/** Gives a buffer back. The caller must not touch it, or any view of it, afterwards. */
export function giveBuffer(buffer: Uint8Array<ArrayBuffer>): void {
  if (buffer.length === BUFFER_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
}
