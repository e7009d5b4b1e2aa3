import { createHash } from "node:crypto";
import { takeTurn } from "../../transport/scheduler.ts";
import { blockSizeFor, type BlockSums, NO_BLOCKS } from "../../core/block_sums.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { giveBuffer, takeBuffer } from "../../protocol/buffers.ts";
import { BlockSummer } from "../block_summer.ts";
import type { BlockOptions, Reader } from "../storage.ts";

/** Bytes that are read at a time to compute a digest. */
const DIGEST_CHUNK_BYTES = 1024 * 1024;

/**
 * Sums up the blocks of the next bytes that `read` gives. Other work gets its turn between two reads.
 *
 * @param read Reads into a buffer; null at the end, which may come before `length`.
 */
export async function sumBlocks(
  read: (into: Uint8Array) => Promise<number | null> | number | null,
  { length, blockSize = blockSizeFor(length), signal }: BlockOptions,
): Promise<BlockSums> {
  const summer = new BlockSummer({ ...NO_BLOCKS, blockSize });
  const chunk = takeBuffer();
  try {
    for (let covered = 0; covered < length;) {
      const n = await read(chunk.subarray(0, Math.min(chunk.length, length - covered)));
      if (n === null) break;
      summer.update(chunk.subarray(0, n));
      covered += n;
      if (covered < length) await takeTurn();
      throwIfAborted(signal);
    }
    return summer.sums();
  } finally {
    giveBuffer(chunk);
  }
}

/** The SHA-256 in hex of what a reader gives, with turns for other work between the pieces. */
export async function digestOf(reader: Reader): Promise<string> {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(Math.min(DIGEST_CHUNK_BYTES, Math.max(1, reader.length)));
  for (let n = await reader.read(chunk); n !== null; n = await reader.read(chunk)) {
    hash.update(chunk.subarray(0, n));
    await takeTurn();
  }
  return hash.digest("hex");
}
