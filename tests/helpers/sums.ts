import { createHash } from "node:crypto";
import type { Storage } from "../../lib/storage/storage.ts";
import { type BlockSums } from "../../lib/core/block_sums.ts";
import { concat } from "./frames.ts";

export const MIB = 1024 * 1024;

export function sha256(content: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash("sha256").update(content).digest());
}

/** The sums of `content`, made without the code under test. */
export function sumsOf(content: Uint8Array, blockSize = MIB): BlockSums {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += blockSize) hashes.push(sha256(content.subarray(at, at + blockSize)));
  return { covered: content.length, blockSize, hashes: concat(...hashes) };
}

/** The operations of a storage that says wrong sums of its files. */
export function withWrongSums(storage: Storage): Pick<Storage, "blocks" | "digest"> {
  return {
    async blocks(path, options) {
      const { sums, metadata } = await storage.blocks(path, options);
      return { sums: { ...sums, hashes: new Uint8Array(sums.hashes.length) }, metadata };
    },
    digest: () => Promise.resolve({ sha256: "0".repeat(64), size: 1, version: "v" }),
  };
}

/** Sums with hashes that end with these bytes and cover whole blocks, except for what the last one lacks. */
export function sums(
  ends: number[],
  { lacks = 0, blockSize = MIB }: { lacks?: number; blockSize?: number } = {},
): BlockSums {
  const hashes = concat(...ends.map((end) => new Uint8Array(32).fill(end, 31)));
  return { covered: ends.length * blockSize - lacks, blockSize, hashes };
}
