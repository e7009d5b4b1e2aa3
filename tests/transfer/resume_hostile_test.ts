import { assert, assertEquals } from "@std/assert";
import { connect, FerryError } from "../../lib/mod.ts";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { concat } from "../helpers/frames.ts";
import { assertFile, failsWith, FakeServer, RawPeer, within } from "../helpers/raw.ts";
import { allNames, asked, CONTENT, FACTS, fieldsOf, flipped, MIB } from "../helpers/resuming.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";

const SIZE = CONTENT.length;

const GOOD = { ...await fieldsOf(CONTENT.subarray(0, 2 * MIB)), ...FACTS };

/** Sends the frames of `content` from `offset` on, with the metadata in `ready`. */
async function sendFile(peer: RawPeer, content: Uint8Array, offset: number, ready: object = FACTS): Promise<void> {
  await peer.send("ready", ready);
  for (let at = offset; at < content.length; at += MIB) await peer.send("data", content.subarray(at, at + MIB));
  await peer.send("end", { size: Math.max(0, content.length - offset) });
  await peer.send("ok", {});
}

/** A server that has `CONTENT`, says `blocks` of it, and sends what it is asked for, with the metadata in `ready`. */
function lying(blocks: unknown, ready: object = FACTS): FakeServer {
  return FakeServer.welcoming(async (peer) => {
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      const request = asked(frame);
      if (request?.command === "close") return;
      if (request?.command === "blocks") await peer.send("ok", blocks);
      if (request?.command === "stat") await peer.send("ok", { kind: "file", ...FACTS });
      if (request?.command === "get") await sendFile(peer, CONTENT, request.offset ?? 0, ready);
    }
  });
}

/** A directory where an interrupted `get` of `f` has left this. */
async function directoryWith(kept: Uint8Array): Promise<TempDir> {
  const local = await tempDir();
  await Deno.writeFile(local.join(temporaryName("f")), kept);
  return local;
}

/** Gets `f`; gives the code of the failure. Fails unless there is the right file, or a typed error and none. */
async function rightOrNothing(server: FakeServer, kept: Uint8Array): Promise<string> {
  await using local = await directoryWith(kept);
  await using client = await connect(server.address);
  try {
    await within(client.get("f", local.join("f")));
    assertEquals(allNames(local.path), ["f"]);
    await assertFile(local.join("f"), CONTENT);
    return "done";
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    assert(!allNames(local.path).includes("f"), "there is a file though it failed");
    return error.code;
  }
}

const NONSENSE: Record<string, unknown> = {
  "null": null,
  "a list": [],
  "nothing": {},
  "no sums": { ...GOOD, hashes: "" },
  "sums of another kind": { ...GOOD, hashes: [1, 2] },
  "not Base64": { ...GOOD, hashes: "{}" },
  "a negative length": { ...GOOD, covered: -1 },
  "a fractional length": { ...GOOD, covered: 1.5 },
  "a length that no file has": { ...GOOD, covered: 2 ** 60 },
  "blocks of nothing": { ...GOOD, blockSize: 0 },
  "small blocks": { ...GOOD, blockSize: 1024 },
  "no size": { ...GOOD, size: undefined },
  "a negative size": { ...GOOD, size: -1 },
  "no version": { ...GOOD, version: undefined },
  "a time that no date can hold": { ...GOOD, mtimeMs: 1e17 },
};

Deno.test("get() fails with BadRequest when the sums of the blocks are nonsense", async (t) => {
  for (const [what, blocks] of Object.entries(NONSENSE)) {
    await t.step(what, async () => {
      await using server = lying(blocks);
      assertEquals(await rightOrNothing(server, CONTENT.subarray(0, 2 * MIB)), "BadRequest");
    });
  }
});

const FEW = await fieldsOf(CONTENT.subarray(0, MIB));
const WRONG = await fieldsOf(flipped(flipped(CONTENT.subarray(0, 2 * MIB), 0), MIB));
const MANY = await fieldsOf(CONTENT);
const LARGE_BLOCKS = await fieldsOf(CONTENT.subarray(0, 2 * MIB), 2 * MIB);

/** Lies that cannot be known for what they are, but do no harm. */
const HARMLESS: Record<string, unknown> = {
  "no blocks": { ...FACTS, covered: 0, blockSize: MIB, hashes: "" },
  "fewer blocks": { ...FACTS, ...FEW },
  "wrong sums": { ...FACTS, ...WRONG },
  "more blocks than were asked for": { ...FACTS, ...MANY },
  "larger blocks": { ...FACTS, ...LARGE_BLOCKS },
  "one block as large as numbers go": {
    ...FACTS,
    covered: 2 ** 53 - 1,
    blockSize: 2 ** 53 - 1,
    hashes: new Uint8Array(32).toBase64(),
  },
  "another version": { ...GOOD, version: "w" },
};

Deno.test("get() gives the right file when the sums of the blocks are a harmless lie", async (t) => {
  for (const [what, blocks] of Object.entries(HARMLESS)) {
    for (
      const kept of [CONTENT.subarray(0, 2 * MIB), flipped(CONTENT.subarray(0, 2 * MIB), MIB), concat(CONTENT, CONTENT)]
    ) {
      await t.step(`${what}, ${kept.length} bytes kept`, async () => {
        await using server = lying(blocks);
        assertEquals(await rightOrNothing(server, kept), "done");
      });
    }
  }
});

Deno.test("get() fails when what is sent is not what the blocks belong to", async (t) => {
  const cases: [string, object, object][] = [
    ["a larger file in the blocks", { ...GOOD, size: SIZE + 1 }, FACTS],
    ["a smaller file in the blocks", { ...GOOD, size: SIZE - 1 }, FACTS],
    ["a larger file in ready", GOOD, { ...FACTS, size: SIZE + 1 }],
    ["a smaller file in ready", GOOD, { ...FACTS, size: SIZE - 1 }],
    ["an empty file in ready", GOOD, { ...FACTS, size: 0 }],
    ["an empty file in the blocks", { ...GOOD, size: 0 }, FACTS],
  ];
  for (const [what, blocks, ready] of cases) {
    await t.step(what, async () => {
      await using server = lying(blocks, ready);
      const code = await rightOrNothing(server, CONTENT.subarray(0, 2 * MIB));
      assert(["BadRequest", "Corrupt", "Changed"].includes(code), code);
    });
  }
});

Deno.test("get() keeps what it has when the server refuses to say its blocks", async () => {
  await using server = FakeServer.welcoming(async (peer) => {
    while (asked(await peer.receive())) await peer.send("error", { code: "Refused", message: "no" });
  });
  await using local = await directoryWith(CONTENT.subarray(0, MIB));
  await using client = await connect(server.address);
  await failsWith(client.get("f", local.join("f")), "Refused");
  assertEquals((await Deno.stat(local.join(temporaryName("f")))).size, MIB);
});
