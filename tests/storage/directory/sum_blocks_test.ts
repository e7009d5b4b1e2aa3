import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { sumBlocks } from "../../../lib/storage/directory/sum_blocks.ts";
import { bytes, Random } from "../../helpers/random.ts";
import { MIB, sumsOf } from "../../helpers/sums.ts";

/** Gives `content` in pieces of at most so many bytes as `sizes` says, one after the other. */
function readerOf(content: Uint8Array, sizes: () => number): (into: Uint8Array) => number | null {
  let at = 0;
  return (into) => {
    if (at === content.length) return null;
    const piece = content.subarray(at, at + Math.min(into.length, sizes()));
    into.set(piece);
    at += piece.length;
    return piece.length;
  };
}

Deno.test("sumBlocks() gives the same sums however the bytes are split", async () => {
  const content = bytes(5000, 1);
  for (const blockSize of [1, 7, 1000, 4999, 5000, 5001]) {
    const wanted = sumsOf(content, blockSize);
    const options = { length: content.length, blockSize };
    for (let split = 0; split <= content.length; split += split < 20 || split > 4980 ? 1 : 610) {
      const sizes = [split].values();
      const found = await sumBlocks(readerOf(content, () => sizes.next().value ?? content.length), options);
      assertEquals(found, wanted, `blocks of ${blockSize} bytes, split at ${split}`);
    }
    const found = await sumBlocks(readerOf(content, () => 1), options);
    assertEquals(found, wanted, `blocks of ${blockSize} bytes, byte by byte`);
  }
});

Deno.test("sumBlocks() gives the same sums for random lengths, blocks and pieces", async () => {
  for (let i = 0; i < 50; i++) {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const random = new Random(seed);
    const content = random.bytes(random.below(10_000));
    const blockSize = 1 + random.below(3000);
    const found = await sumBlocks(readerOf(content, () => random.below(2500)), { length: content.length, blockSize });
    assertEquals(found, sumsOf(content, blockSize), `seed ${seed}`);
  }
});

Deno.test("sumBlocks() of nothing covers nothing", async () => {
  const nothing = { covered: 0, blockSize: MIB, hashes: new Uint8Array(0) };
  const empty = () => null;
  assertEquals(await sumBlocks(empty, { length: 0, blockSize: MIB }), nothing);
  assertEquals(await sumBlocks(empty, { length: 5, blockSize: MIB }), nothing);
  const sizes = [0, 0].values();
  const afterNothing = () => sizes.next().value ?? null;
  assertEquals(await sumBlocks(afterNothing, { length: 5, blockSize: MIB }), nothing);
});

Deno.test("sumBlocks() sums what the reader gives, up to the length, in pieces of any size", async () => {
  const content = bytes(3 * MIB + 5, 2);
  for (const length of [0, 1, MIB, MIB + 1, content.length, content.length + 1, 2 ** 40]) {
    const random = new Random(length % 1000);
    const give = readerOf(content, () => 1 + random.below(400_000));
    let given = 0;
    const read = (into: Uint8Array) => {
      const n = give(into);
      given += n ?? 0;
      return n;
    };
    const found = await sumBlocks(read, { length, blockSize: MIB });
    assertEquals(found, sumsOf(content.subarray(0, length)), `${length} bytes`);
    assertEquals(given, Math.min(length, content.length), "bytes that were read");
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
