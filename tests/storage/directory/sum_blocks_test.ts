import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { BlockSummer, sumBlocks } from "../../../lib/storage/directory/sum_blocks.ts";
import { bytes, Random, withRandom } from "../../helpers/random.ts";
import { MIB, sumsOf } from "../../helpers/sums.ts";

Deno.test("BlockSummer gives the same sums however the bytes are split", () => {
  const content = bytes(5000, 1);
  for (const blockSize of [1, 7, 1000, 4999, 5000, 5001]) {
    const wanted = sumsOf(content, blockSize);
    for (let split = 0; split <= content.length; split += split < 20 || split > 4980 ? 1 : 61) {
      const summer = new BlockSummer(blockSize);
      summer.update(content.subarray(0, split));
      summer.update(content.subarray(split));
      assertEquals(summer.finish(), wanted, `blocks of ${blockSize} bytes, split at ${split}`);
    }
    const single = new BlockSummer(blockSize);
    for (let i = 0; i < content.length; i++) single.update(content.subarray(i, i + 1));
    assertEquals(single.finish(), wanted, `blocks of ${blockSize} bytes, byte by byte`);
  }
});

Deno.test("BlockSummer gives the same sums for random lengths, blocks and pieces", () => {
  withRandom((random) => {
    for (let i = 0; i < 50; i++) {
      const content = random.bytes(random.below(10_000));
      const blockSize = 1 + random.below(3000);
      const summer = new BlockSummer(blockSize);
      for (let at = 0; at < content.length;) {
        const n = random.below(2500);
        summer.update(content.subarray(at, at + n));
        at += n;
      }
      assertEquals(summer.finish(), sumsOf(content, blockSize));
    }
  });
});

Deno.test("BlockSummer of nothing covers nothing", () => {
  const nothing = { covered: 0, blockSize: MIB, hashes: new Uint8Array(0) };
  assertEquals(new BlockSummer(MIB).finish(), nothing);
  const summer = new BlockSummer(MIB);
  summer.update(new Uint8Array(0));
  assertEquals(summer.finish(), nothing);
});

Deno.test("sumBlocks() sums what the reader gives, up to the length, in pieces of any size", async () => {
  const content = bytes(3 * MIB + 5, 2);
  for (const length of [0, 1, MIB, MIB + 1, content.length, content.length + 1, 2 ** 40]) {
    const random = new Random(length % 1000);
    let at = 0;
    const read = (into: Uint8Array) => {
      if (at === content.length) return null;
      const piece = content.subarray(at, at + Math.min(into.length, 1 + random.below(400_000)));
      into.set(piece);
      at += piece.length;
      return piece.length;
    };
    const found = await sumBlocks(read, { length, blockSize: MIB });
    assertEquals(found, sumsOf(content.subarray(0, length)), `${length} bytes`);
    assertEquals(at, Math.min(length, content.length), "bytes that were read");
  }
});

Deno.test("sumBlocks() can be cancelled", async () => {
  const stop = new AbortController();
  let reads = 0;
  const read = (into: Uint8Array) => {
    if (++reads === 3) stop.abort();
    return into.length;
  };
  const summing = sumBlocks(read, { length: 2 ** 50, signal: stop.signal });
  assertEquals(await summing.then(() => "done", (error) => error.code), "Cancelled");
  assertLess(reads, 5);
});

Deno.test("sumBlocks() fails with what the reader throws", async () => {
  const slow = () => Promise.reject(new Deno.errors.TimedOut("slow"));
  await assertRejects(() => sumBlocks(slow, { length: 5 }), Deno.errors.TimedOut);
});
