import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { takeTurn } from "../../transport/scheduler.ts";
import { blockSizeFor, type BlockSums } from "../../core/block_sums.ts";
import { throwIfAborted } from "../../core/unless_aborted.ts";
import { giveBuffer, takeBuffer } from "../../protocol/buffers.ts";
import type { BlockOptions, Reader } from "../storage.ts";

/** Bytes that are read at a time to compute a digest. */
const DIGEST_CHUNK_BYTES = 1024 * 1024;

/** Adds up the SHA-256 of each block of a stream of bytes. */
export class BlockSummer {
  readonly #blockSize: number;
  readonly #hashes: Buffer[] = [];
  #covered = 0;
  /** The block that has begun. */
  #block: Hash | undefined;

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
  }

  update(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const piece = bytes.subarray(done, done + this.#blockSize - this.#covered % this.#blockSize);
      this.#block ??= createHash("sha256");
      this.#block.update(piece);
      done += piece.length;
      this.#covered += piece.length;
      if (this.#covered % this.#blockSize === 0) this.#finishBlock();
    }
  }

  /** The sums of what was added; to be called once, at the end. */
  finish(): BlockSums {
    this.#finishBlock();
    return { covered: this.#covered, blockSize: this.#blockSize, hashes: Uint8Array.from(Buffer.concat(this.#hashes)) };
  }

  #finishBlock(): void {
    if (this.#block) this.#hashes.push(this.#block.digest());
    this.#block = undefined;
  }
}

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
      throwIfAborted(signal);
    }
    return summer.finish();
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
