import { takeTurn } from "../net/turn.ts";
import { blockSizeFor, BlockSummer, type BlockSums } from "../protocol/blocks.ts";
import { giveBuffer, takeBuffer } from "../protocol/buffers.ts";
import type { BlockOptions } from "./storage.ts";

/**
 * Sums up the blocks of the next bytes that `read` gives. Other work gets its turn between two reads.
 *
 * @param read Reads into a buffer; null at the end, which may come before `length`.
 */
export async function sumBlocks(
  read: (into: Uint8Array) => Promise<number | null> | number | null,
  { length, blockSize = blockSizeFor(length), signal }: BlockOptions,
): Promise<BlockSums> {
  const summer = new BlockSummer(blockSize);
  const chunk = takeBuffer();
  try {
    for (let left = length; left > 0;) {
      const n = await read(chunk.subarray(0, Math.min(chunk.length, left)));
      if (n === null) break;
      summer.update(chunk.subarray(0, n));
      left -= n;
      if (left > 0) await takeTurn();
      signal?.throwIfAborted();
    }
    return summer.finish();
  } finally {
    giveBuffer(chunk);
  }
}
