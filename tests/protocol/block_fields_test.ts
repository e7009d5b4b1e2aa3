import { assertEquals, assertGreater } from "@std/assert";
import { blockSizeFor } from "../../lib/core/block_sums.ts";
import { decodeBlocks, encodeBlocks } from "../../lib/protocol/block_fields.ts";
import { encodeControl } from "../../lib/protocol/codec.ts";
import { MAX_CONTROL_BYTES } from "../../lib/protocol/constants.ts";
import { sumBlocks } from "../../lib/storage/directory/sum_blocks.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { bytes } from "../helpers/random.ts";
import { MIB, sums, sumsOf } from "../helpers/sums.ts";

Deno.test("decodeBlocks() gives back what encodeBlocks() was given, as it travels", () => {
  for (const size of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7]) {
    const original = sumsOf(bytes(size, size + 1));
    assertEquals(decodeBlocks(JSON.parse(JSON.stringify(encodeBlocks(original)))), original, `${size} bytes`);
  }
  const extremes = sums([0, 1, 0x7f, 0x80, 0xff], { lacks: MIB - 1 });
  assertEquals(decodeBlocks(encodeBlocks(extremes)), extremes);
});

Deno.test("encodeBlocks() pins the bytes: whole SHA-256s, one after the other, in Base64", async () => {
  const content = new TextEncoder().encode("ab").values();
  const read = (into: Uint8Array) => into.set([content.next().value ?? 0]) ?? 1;
  const summed = await sumBlocks(read, { length: 2, blockSize: 1 });
  // `printf a | sha256sum`, and of b.
  const hex = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" +
    "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";
  const hashes = Uint8Array.fromHex(hex).toBase64();
  assertEquals(encodeBlocks(summed), { covered: 2, blockSize: 1, hashes });
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
