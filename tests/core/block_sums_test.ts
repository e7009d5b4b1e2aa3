import { assert, assertEquals } from "@std/assert";
import { blockSizeFor, matchingBytes } from "../../lib/core/block_sums.ts";
import { sameBytes } from "../helpers/frames.ts";
import { bytes, withRandom } from "../helpers/random.ts";
import { MIB, sums, sumsOf } from "../helpers/sums.ts";

/** A copy with one bit of one byte turned around. */
function flipped(content: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
  const copy = content.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

Deno.test("blockSizeFor() gives powers of two from 1 MiB and at most 1,024 blocks", () => {
  for (const size of [0, 1, MIB, 1024 * MIB, 1024 * MIB + 1, 2 ** 40 - 1, 2 ** 50, Number.MAX_SAFE_INTEGER]) {
    const blockSize = blockSizeFor(size);
    assert(Number.isInteger(Math.log2(blockSize)) && blockSize >= MIB, `${size} bytes: blocks of ${blockSize}`);
    assert(size / blockSize <= 1024, `${size} bytes: ${size / blockSize} blocks`);
    assert(blockSize === MIB || size / (blockSize / 2) > 1024, `${size} bytes: blocks of ${blockSize} are too large`);
  }
});

Deno.test("matchingBytes() ends with the last block before the first that differs", () => {
  const content = bytes(3 * MIB + 100, 3);
  const whole = sumsOf(content);
  assertEquals(matchingBytes(whole, whole), content.length);
  const cases: [number, number][] = [
    [0, 0],
    [MIB - 1, 0],
    [MIB, MIB],
    [2 * MIB - 1, MIB],
    [3 * MIB - 1, 2 * MIB],
    [3 * MIB, 3 * MIB],
    [content.length - 1, 3 * MIB],
  ];
  for (const [at, same] of cases) {
    const other = sumsOf(flipped(content, at));
    assertEquals(matchingBytes(whole, other), same, `byte ${at} differs`);
    assertEquals(matchingBytes(other, whole), same, `byte ${at} differs, the other way round`);
  }
});

Deno.test("matchingBytes() counts a short last block only when both have the same of it", () => {
  const content = bytes(2 * MIB + 100, 4);
  for (const length of [0, 1, 100, MIB, MIB + 1, 2 * MIB, 2 * MIB + 99]) {
    const shorter = sumsOf(content.subarray(0, length));
    const whole = length - length % MIB;
    assertEquals(matchingBytes(shorter, sumsOf(content)), whole, `${length} of ${content.length} bytes`);
    assertEquals(matchingBytes(sumsOf(content), shorter), whole);
    assertEquals(matchingBytes(shorter, sumsOf(content.subarray(0, length))), length);
  }
});

Deno.test("matchingBytes() is not misled by equal hashes over different lengths", () => {
  // What the other end says may be a lie.
  assertEquals(matchingBytes(sums([7], { lacks: MIB - 10 }), sums([7], { lacks: MIB - 20 })), 0);
  assertEquals(matchingBytes(sums([7, 8], { lacks: 5 }), sums([7, 8])), MIB);
  assertEquals(matchingBytes(sums([7, 8], { lacks: 5 }), sums([7, 8, 9])), MIB);
  assertEquals(matchingBytes(sums([7, 8]), sums([7, 8, 9])), 2 * MIB);
});

Deno.test("matchingBytes() compares every byte of a hash", () => {
  for (let at = 0; at < 32; at++) {
    const other = { ...sums([1, 2]), hashes: flipped(sums([1, 2]).hashes, 32 + at) };
    assertEquals(matchingBytes(sums([1, 2]), other), MIB, `byte ${at} differs`);
  }
});

Deno.test("matchingBytes() of blocks of different sizes is nothing", () => {
  assertEquals(matchingBytes(sums([1, 2]), sums([1, 2], { blockSize: 2 * MIB })), 0);
  assertEquals(matchingBytes(sums([]), sums([1])), 0);
  assertEquals(matchingBytes(sums([]), sums([])), 0);
});

Deno.test("matchingBytes() is never more than what both sides have", () => {
  withRandom((random) => {
    const content = random.bytes(6 * MIB);
    for (let i = 0; i < 30; i++) {
      const [a, b] = [content.subarray(0, random.below(6 * MIB)), content.slice(0, random.below(6 * MIB))];
      const at = random.below(6 * MIB);
      b[at] = (b[at] ?? 0) ^ 0x80;
      const same = matchingBytes(sumsOf(a), sumsOf(b));
      assert(same <= a.length && same <= b.length && (at >= b.length || same <= at), `${same} bytes, ${at} differs`);
      assert(sameBytes(a.subarray(0, same), b.subarray(0, same)));
    }
  });
});
