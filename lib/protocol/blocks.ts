import { crc32 } from "node:zlib";
import { count, type Fields, type Infer, text } from "./checks.ts";
import { FerryError } from "./errors.ts";

/** The smallest block whose CRC is compared to resume a transfer, in bytes. */
const MIN_BLOCK_BYTES = 1024 * 1024;

/** The most CRCs in one message; in Base64 they fit into a control frame. */
const MAX_BLOCKS = 8192;

/** The fields that carry block sums: the bytes they cover, the size of a block, and the CRC-32s (u32 each) in Base64. */
export const BLOCK_FIELDS = { covered: count, blockSize: count, crcs: text } satisfies Fields;

/** The CRC-32 of each block of the first `covered` bytes of a file; the last block may be shorter. */
export interface BlockSums {
  readonly covered: number;
  readonly blockSize: number;
  readonly crcs: Uint32Array;
}

/** The block size for a file of `size` bytes: the smallest power of two from 1 MiB up that needs at most 8,192 blocks. */
export function blockSizeFor(size: number): number {
  let blockSize = MIN_BLOCK_BYTES;
  while (size / blockSize > MAX_BLOCKS) blockSize *= 2;
  return blockSize;
}

/** Writes block sums as fields of a message. */
export function encodeBlocks({ covered, blockSize, crcs }: BlockSums): Infer<typeof BLOCK_FIELDS> {
  const bytes = new Uint8Array(crcs.length * 4);
  const view = new DataView(bytes.buffer);
  crcs.forEach((crc, i) => view.setUint32(i * 4, crc));
  return { covered, blockSize, crcs: bytes.toBase64() };
}

/**
 * Reads block sums from the fields of a message.
 *
 * @throws {FerryError} `BadRequest` when they do not fit together.
 */
export function decodeBlocks({ covered, blockSize, crcs }: Infer<typeof BLOCK_FIELDS>): BlockSums {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(crcs);
  } catch (cause) {
    throw new FerryError("BadRequest", "the block sums are not Base64", { cause });
  }
  const blocks = blockSize < MIN_BLOCK_BYTES ? -1 : Math.ceil(covered / blockSize);
  if (bytes.length !== blocks * 4) throw new FerryError("BadRequest", "the block sums do not fit the blocks");
  const view = new DataView(bytes.buffer);
  return { covered, blockSize, crcs: Uint32Array.from({ length: blocks }, (_, i) => view.getUint32(i * 4)) };
}

/** How many bytes at the beginning are the same: the end of the last block before the first that differs. */
export function matchingBytes(a: BlockSums, b: BlockSums): number {
  if (a.blockSize !== b.blockSize) return 0;
  let same = 0;
  while (same < a.crcs.length && same < b.crcs.length && a.crcs[same] === b.crcs[same]) same++;
  const covered = Math.min(same * a.blockSize, a.covered, b.covered);
  // A short last block must have been the same length on both sides to be compared at all.
  return a.covered === b.covered || covered % a.blockSize === 0 ? covered : covered - covered % a.blockSize;
}

/** Adds up the CRC-32 of each block of a stream of bytes. */
export class BlockSummer {
  readonly #blockSize: number;
  readonly #crcs: number[] = [];
  #covered = 0;
  #crc = 0;

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
  }

  update(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const piece = bytes.subarray(done, done + this.#blockSize - this.#covered % this.#blockSize);
      this.#crc = crc32(piece, this.#crc);
      done += piece.length;
      this.#covered += piece.length;
      if (this.#covered % this.#blockSize === 0) this.#finishBlock();
    }
  }

  /** The sums of what was added; to be called once, at the end. */
  finish(): BlockSums {
    if (this.#covered % this.#blockSize !== 0) this.#finishBlock();
    return { covered: this.#covered, blockSize: this.#blockSize, crcs: Uint32Array.from(this.#crcs) };
  }

  #finishBlock(): void {
    this.#crcs.push(this.#crc);
    this.#crc = 0;
  }
}
