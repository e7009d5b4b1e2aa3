import { Buffer } from "node:buffer";

/** The smallest block that is compared to resume a transfer, in bytes. */
export const MIN_BLOCK_BYTES = 1024 * 1024;

/** The most hashes in one message. In Base64 they fit into a control frame. */
const MAX_BLOCKS = 1024;

/** The length of a SHA-256, in bytes. */
export const HASH_BYTES = 32;

/** The SHA-256 of each block of the first `covered` bytes of a file, one after the other; the last block may be shorter. */
export interface BlockSums {
  /** How many bytes the blocks have in all. */
  readonly covered: number;
  /** The size of a block, in bytes. */
  readonly blockSize: number;
  /** The hashes, 32 bytes each. */
  readonly hashes: Uint8Array<ArrayBuffer>;
}

/** Whether `size` bytes have at most 1,024 blocks of that size. */
export function fitsBlocks(size: number, blockSize: number): boolean {
  return size / blockSize <= MAX_BLOCKS;
}

/** The block size for a file of `size` bytes: the smallest power of two from 1 MiB up that needs at most 1,024 blocks. */
export function blockSizeFor(size: number): number {
  let blockSize = MIN_BLOCK_BYTES;
  while (!fitsBlocks(size, blockSize)) blockSize *= 2;
  return blockSize;
}

/** The hash of one block. */
function hashAt({ hashes }: BlockSums, block: number): Uint8Array {
  return hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
}

/** How many bytes are the same from the start: all blocks before the first that differs. */
export function matchingBytes(a: BlockSums, b: BlockSums): number {
  if (a.blockSize !== b.blockSize) return 0;
  const both = Math.min(a.hashes.length, b.hashes.length) / HASH_BYTES;
  let same = 0;
  while (same < both && Buffer.compare(hashAt(a, same), hashAt(b, same)) === 0) same++;
  const covered = Math.min(same * a.blockSize, a.covered, b.covered);
  // A short last block counts only if it has the same length on both sides.
  return a.covered === b.covered || covered % a.blockSize === 0 ? covered : covered - covered % a.blockSize;
}

/** The sums of the whole blocks among the first `bytes` bytes. */
export function wholeBlocks({ blockSize, hashes }: BlockSums, bytes: number): BlockSums {
  const blocks = Math.floor(bytes / blockSize);
  return { covered: blocks * blockSize, blockSize, hashes: hashes.slice(0, blocks * HASH_BYTES) };
}

/** The sums of nothing. */
export const NO_BLOCKS: BlockSums = { covered: 0, blockSize: MIN_BLOCK_BYTES, hashes: new Uint8Array() };
