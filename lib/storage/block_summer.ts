import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { BlockSums } from "../core/block_sums.ts";

/** Sums up the blocks of bytes as they come. */
export class BlockSummer {
  readonly #blockSize: number;
  readonly #hashes: Uint8Array[];
  #covered: number;
  #block = createHash("sha256");

  /** @param before The sums of whole blocks that come before. */
  constructor({ covered, blockSize, hashes }: BlockSums) {
    this.#covered = covered;
    this.#blockSize = blockSize;
    this.#hashes = [hashes];
  }

  /** Adds bytes. */
  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + this.#blockSize - this.#covered % this.#blockSize);
      this.#block.update(piece);
      at += piece.length;
      this.#covered += piece.length;
      if (this.#covered % this.#blockSize === 0) this.#end();
    }
  }

  /** The sums of all that came; nothing may be added any more. */
  sums(): BlockSums {
    if (this.#covered % this.#blockSize !== 0) this.#end();
    const hashes = Uint8Array.from(Buffer.concat(this.#hashes));
    return { covered: this.#covered, blockSize: this.#blockSize, hashes };
  }

  #end(): void {
    this.#hashes.push(this.#block.digest());
    this.#block = createHash("sha256");
  }
}
