import { createHash } from "node:crypto";
import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { blockSizeFor, type BlockSums, matchingBytes } from "../../lib/core/block_sums.ts";
import { decodeBlocks, encodeBlocks } from "../../lib/protocol/block_fields.ts";
import { encodeControl } from "../../lib/protocol/codec.ts";
import { MAX_CONTROL_BYTES } from "../../lib/protocol/constants.ts";
import { BlockSummer, sumBlocks } from "../../lib/storage/directory/sum_blocks.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { concat, sameBytes } from "../helpers/frames.ts";
import { bytes, Random, withRandom } from "../helpers/random.ts";

const MIB = 1024 * 1024;

function sha256(content: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash("sha256").update(content).digest());
}

/** The sums of `content`, made without the code under test. */
function sumsOf(content: Uint8Array, blockSize = MIB): BlockSums {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += blockSize) hashes.push(sha256(content.subarray(at, at + blockSize)));
  return { covered: content.length, blockSize, hashes: concat(...hashes) };
}

/** A copy with one bit of one byte turned around. */
function flipped(content: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
  const copy = content.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Sums with hashes that end with these bytes and cover whole blocks, except for what the last one lacks. */
function sums(ends: number[], { lacks = 0, blockSize = MIB }: { lacks?: number; blockSize?: number } = {}): BlockSums {
  const hashes = concat(...ends.map((end) => new Uint8Array(32).fill(end, 31)));
  return { covered: ends.length * blockSize - lacks, blockSize, hashes };
}

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
  assertEquals(await summing.then(() => "done", (error) => error.name), "AbortError");
  assertLess(reads, 5);
});

Deno.test("blockSizeFor() gives powers of two from 1 MiB and at most 1,024 blocks", () => {
  for (const size of [0, 1, MIB, 1024 * MIB, 1024 * MIB + 1, 2 ** 40 - 1, 2 ** 50, Number.MAX_SAFE_INTEGER]) {
    const blockSize = blockSizeFor(size);
    assert(Number.isInteger(Math.log2(blockSize)) && blockSize >= MIB, `${size} bytes: blocks of ${blockSize}`);
    assert(size / blockSize <= 1024, `${size} bytes: ${size / blockSize} blocks`);
    assert(blockSize === MIB || size / (blockSize / 2) > 1024, `${size} bytes: blocks of ${blockSize} are too large`);
  }
});

Deno.test("decodeBlocks() gives back what encodeBlocks() was given, as it travels", () => {
  for (const size of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7]) {
    const original = sumsOf(bytes(size, size + 1));
    assertEquals(decodeBlocks(JSON.parse(JSON.stringify(encodeBlocks(original)))), original, `${size} bytes`);
  }
  const extremes = sums([0, 1, 0x7f, 0x80, 0xff], { lacks: MIB - 1 });
  assertEquals(decodeBlocks(encodeBlocks(extremes)), extremes);
});

Deno.test("encodeBlocks() pins the bytes: whole SHA-256s, one after the other, in Base64", () => {
  const summer = new BlockSummer(1);
  summer.update(new TextEncoder().encode("ab"));
  // `printf a | sha256sum`, and of b.
  const hex = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" +
    "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";
  const hashes = Uint8Array.fromHex(hex).toBase64();
  assertEquals(encodeBlocks(summer.finish()), { covered: 2, blockSize: 1, hashes });
});

Deno.test("encodeBlocks() of the most blocks there may be fits into one frame", () => {
  for (const size of [1024 * MIB, 1024 * MIB + 1, Number.MAX_SAFE_INTEGER]) {
    const blockSize = blockSizeFor(size);
    const hashes = new Uint8Array(32 * Math.ceil(size / blockSize)).fill(0xff);
    const fields = {
      ...encodeBlocks({ covered: size, blockSize, hashes }),
      size,
      mtimeMs: 8.64e15,
      version: "v".repeat(99),
    };
    const written = encodeControl(fields, new Uint8Array(MAX_CONTROL_BYTES));
    assertGreater(written ?? 0, 20_000, `${size} bytes`);
  }
});

Deno.test("decodeBlocks() refuses what does not fit together", () => {
  const good = encodeBlocks(sumsOf(bytes(2 * MIB + 1)));
  assertEquals(decodeBlocks(good).hashes.length, 3 * 32);
  const hostile: Record<string, Partial<typeof good>> = {
    "no sums": { hashes: "" },
    "one sum too few": { hashes: new Uint8Array(2 * 32).toBase64() },
    "one sum too many": { hashes: new Uint8Array(4 * 32).toBase64() },
    "half a sum": { hashes: new Uint8Array(2 * 32 + 16).toBase64() },
    "a byte too much": { hashes: new Uint8Array(3 * 32 + 1).toBase64() },
    "not Base64": { hashes: "*".repeat(128) },
    "Base64 that is cut off": { hashes: good.hashes.slice(0, -1) },
    "another alphabet": { hashes: "____".repeat(32) },
    "blocks of no bytes": { blockSize: 0 },
    "blocks of one byte": { blockSize: 1 },
    "blocks of less than 1 MiB": { blockSize: MIB - 1 },
    "blocks of less than nothing": { blockSize: -MIB },
    "blocks that are too large": { blockSize: 2 ** 53 - 1 },
    "more bytes than the blocks have": { covered: 3 * MIB + 1 },
    "fewer bytes than the blocks have": { covered: 2 * MIB },
    "nothing covered": { covered: 0 },
    "everything covered": { covered: Number.MAX_SAFE_INTEGER },
  };
  for (const [what, change] of Object.entries(hostile)) {
    assertThrowsCode("BadRequest", () => decodeBlocks({ ...good, ...change }), what);
  }
  assertThrowsCode("BadRequest", () => decodeBlocks({ covered: 0, blockSize: 0, hashes: "" }), "no blocks of no bytes");
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

Deno.test("sumBlocks() fails with what the reader throws", async () => {
  const slow = () => Promise.reject(new Deno.errors.TimedOut("slow"));
  await assertRejects(() => sumBlocks(slow, { length: 5 }), Deno.errors.TimedOut);
});
