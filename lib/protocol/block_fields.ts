import { type BlockSums, HASH_BYTES, MIN_BLOCK_BYTES } from "../core/block_sums.ts";
import { FerryError } from "../core/errors.ts";
import { count, type Fields, type Infer, text } from "./checks.ts";

/** The fields that carry block sums: the bytes they cover, the size of a block, and the SHA-256s in Base64. */
export const BLOCK_FIELDS = { covered: count, blockSize: count, hashes: text } satisfies Fields;

/** Writes block sums as fields of a message. */
export function encodeBlocks({ covered, blockSize, hashes }: BlockSums): Infer<typeof BLOCK_FIELDS> {
  return { covered, blockSize, hashes: hashes.toBase64() };
}

/**
 * Reads block sums from the fields of a message.
 *
 * @throws {FerryError} `BadRequest` when they do not fit together.
 */
export function decodeBlocks({ covered, blockSize, hashes }: Infer<typeof BLOCK_FIELDS>): BlockSums {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(hashes);
  } catch (cause) {
    throw new FerryError("BadRequest", "the block sums are not Base64", { cause });
  }
  const blocks = blockSize < MIN_BLOCK_BYTES ? -1 : Math.ceil(covered / blockSize);
  if (bytes.length !== blocks * HASH_BYTES) {
    throw new FerryError("BadRequest", "the block sums do not fit the blocks");
  }
  return { covered, blockSize, hashes: bytes };
}
