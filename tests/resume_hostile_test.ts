import { assert, assertEquals } from "@std/assert";
import { connect, FerryError } from "../lib/mod.ts";
import { encodeBlocks } from "../lib/protocol/blocks.ts";
import { sumBlocks } from "../lib/storage/blocks.ts";
import { partialName } from "../lib/storage/partial.ts";
import { concat } from "./helpers/frames.ts";
import { assertFile, failsWith, FakeServer, type RawFrame, RawPeer, within } from "./helpers/raw.ts";
import { allNames, CONTENT, flipped, MIB, Resuming } from "./helpers/resuming.ts";
import { type TempDir, tempDir } from "./helpers/temp.ts";

const SIZE = CONTENT.length;

/** The fields that carry the sums of the blocks of `content`. */
async function fieldsOf(content: Uint8Array, blockSize = MIB) {
  let at = 0;
  const read = (into: Uint8Array) => {
    const piece = content.subarray(at, at + into.length);
    into.set(piece);
    at += piece.length;
    return piece.length > 0 ? piece.length : null;
  };
  return encodeBlocks(await sumBlocks(read, { length: content.length, blockSize }));
}

const FACTS = { size: SIZE, mtimeMs: 1_700_000_000_000, version: "v" };

const GOOD = { ...await fieldsOf(CONTENT.subarray(0, 2 * MIB)), ...FACTS };

interface Asked {
  readonly command: string;
  readonly offset?: number;
}

/** The request in a frame. */
function asked(frame: RawFrame | undefined): Asked | undefined {
  return frame?.kind === "request" ? frame.value as Asked : undefined;
}

/** Sends the frames of `content` from `offset` on, with the facts in `ready`. */
async function sendFile(peer: RawPeer, content: Uint8Array, offset: number, ready: object = FACTS): Promise<void> {
  await peer.send("ready", ready);
  for (let at = offset; at < content.length; at += MIB) await peer.send("data", content.subarray(at, at + MIB));
  await peer.send("end", { size: Math.max(0, content.length - offset) });
  await peer.send("ok", {});
}

/** A server that has `CONTENT`, says `blocks` of it, and sends what it is asked for, with the facts in `ready`. */
function lying(blocks: unknown, ready: object = FACTS): FakeServer {
  return FakeServer.welcoming(async (peer) => {
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      const request = asked(frame);
      if (request?.command === "close") return;
      if (request?.command === "blocks") await peer.send("ok", blocks);
      if (request?.command === "get") await sendFile(peer, CONTENT, request.offset ?? 0, ready);
    }
  });
}

/** A directory where an interrupted `get` of `f` has left this. */
async function directoryWith(kept: Uint8Array): Promise<TempDir> {
  const local = await tempDir();
  await Deno.writeFile(local.join(partialName("f")), kept);
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
  "no sums": { ...GOOD, crcs: "" },
  "sums of another kind": { ...GOOD, crcs: [1, 2] },
  "not Base64": { ...GOOD, crcs: "{}" },
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
  "no blocks": { ...FACTS, covered: 0, blockSize: MIB, crcs: "" },
  "fewer blocks": { ...FACTS, ...FEW },
  "wrong sums": { ...FACTS, ...WRONG },
  "more blocks than were asked for": { ...FACTS, ...MANY },
  "larger blocks": { ...FACTS, ...LARGE_BLOCKS },
  "one block as large as numbers go": { ...FACTS, covered: 2 ** 53 - 1, blockSize: 2 ** 53 - 1, crcs: "AAAAAA==" },
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
  assertEquals((await Deno.stat(local.join(partialName("f")))).size, MIB);
});

/** What a client sends for a large `put`, given the server's `ready`, up to its end. */
async function bodyAfter(peer: RawPeer, ready: unknown): Promise<{ offset: number; bytes: number; end: string }> {
  await peer.receive();
  await peer.send("ready", ready);
  let [offset, bytes] = [0, 0];
  for (;;) {
    const frame = await peer.receive();
    if (frame?.kind === "ready") offset = (frame.value as { offset: number }).offset;
    else if (frame?.kind === "data") bytes += frame.payload.length;
    else return { offset, bytes, end: frame?.kind ?? "closed" };
  }
}

const PUT_NONSENSE: Record<string, unknown> = {
  "null": null,
  "a list": [],
  "text": "5",
  "sums of another kind": { kept: 5 },
  "no sums": { kept: {} },
  "null sums": { kept: null },
  "not Base64": { kept: { ...MANY, crcs: "~" } },
  "too few sums": { kept: { ...MANY, crcs: "AAAA" } },
  "a negative length": { kept: { ...MANY, covered: -5 } },
  "blocks of nothing": { kept: { ...MANY, blockSize: 0 } },
};

Deno.test("put() fails with BadRequest when the server's ready is nonsense, and ends its body", async (t) => {
  for (const [what, ready] of Object.entries(PUT_NONSENSE)) {
    await t.step(what, async () => {
      const seen = Promise.withResolvers<{ bytes: number; end: string }>();
      await using server = FakeServer.welcoming(async (peer) => {
        seen.resolve(await bodyAfter(peer, ready));
        await peer.send("error", { code: "Cancelled", message: "you gave up" });
        await peer.receive();
      });
      await using local = await tempDir();
      await Deno.writeFile(local.join("f"), CONTENT);
      await using client = await connect(server.address);
      await failsWith(client.put(local.join("f"), "f"), "BadRequest");
      const { bytes, end } = await within(seen.promise);
      assertEquals([bytes, end], [0, "error"]);
    });
  }
});

Deno.test("put() sends all that the server cannot have, whatever the server says that it has", async (t) => {
  const cases: [string, Awaited<ReturnType<typeof fieldsOf>>, number][] = [
    ["nothing", { covered: 0, blockSize: MIB, crcs: "" }, 0],
    ["two blocks", await fieldsOf(CONTENT.subarray(0, 2 * MIB)), 2 * MIB],
    ["wrong blocks", WRONG, 0],
    ["everything", MANY, SIZE],
    ["everything and more", await fieldsOf(concat(CONTENT, CONTENT)), 3 * MIB],
    ["a block as large as numbers go", {
      covered: 2 ** 53 - 1,
      blockSize: 2 ** 53 - 1,
      crcs: MANY.crcs.slice(0, 5) + "A==",
    }, 0],
    ["larger blocks", LARGE_BLOCKS, 2 * MIB],
  ];
  for (const [what, kept, wanted] of cases) {
    await t.step(what, async () => {
      const seen = Promise.withResolvers<{ offset: number; bytes: number; end: string }>();
      await using server = FakeServer.welcoming(async (peer) => {
        seen.resolve(await bodyAfter(peer, { kept }));
        await peer.send("ok", { path: "f", durable: false, ...FACTS });
        await peer.receive();
      });
      await using local = await tempDir();
      await Deno.writeFile(local.join("f"), CONTENT);
      await using client = await connect(server.address);
      await within(client.put(local.join("f"), "f"));
      assertEquals(await seen.promise, { offset: wanted, bytes: SIZE - wanted, end: "end" });
    });
  }
});

Deno.test("put() fails when the server is content before the end of the body", async () => {
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    await peer.sendAll(["ready", { kept: MANY }], ["ok", { path: "f", durable: false, ...FACTS }]);
    await peer.ended();
  });
  await using local = await tempDir();
  await Deno.writeFile(local.join("f"), CONTENT);
  await using client = await connect(server.address);
  await failsWith(client.put(local.join("f"), "f"), "BadRequest");
});

const PUT = { command: "put", path: "f", size: SIZE, wait: true, resume: true };

/** A server whose `f` was interrupted after two blocks, and a client that has asked to go on and was told of them. */
async function askedToGoOn(scene: Resuming): Promise<RawPeer> {
  const peer = await RawPeer.greeted(scene.served.address);
  await peer.send("request", PUT);
  const { kept } = (await peer.receive())?.value as { kept?: unknown };
  assertEquals(kept, await fieldsOf(CONTENT.subarray(0, 2 * MIB)));
  return peer;
}

Deno.test("a server refuses an offset that it has not offered, and goes on", async (t) => {
  for (const offset of [2 * MIB + 1, SIZE, 2 ** 53 - 1]) {
    await t.step(`offset ${offset}`, async () => {
      await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
      using peer = await askedToGoOn(scene);
      await peer.sendAll(["ready", { offset }], ["data", CONTENT.subarray(0, 10)], ["end", { size: 10 }]);
      assertEquals((await peer.answer()).outcome, "BadRequest");
      assertEquals((await peer.ask({ command: "stat" })).outcome, "ok");
      scene.assertKept(2 * MIB);
    });
  }
});

Deno.test("a server ends the connection at an offset that is none, and stores nothing", async (t) => {
  for (const ready of [{ offset: -1 }, { offset: 1.5 }, { offset: "5" }, { offset: 2 ** 53 }, {}, [], null, 5]) {
    await t.step(JSON.stringify(ready), async () => {
      await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
      using peer = await askedToGoOn(scene);
      await peer.send("ready", ready);
      assertEquals((await peer.answer()).outcome, "disconnect BadRequest");
      assertEquals(await peer.ended(), "closed");
      peer.conn.close();
      await scene.served.events.until("close");
      assert(!allNames(scene.targetDirectory).includes("f"));
    });
  }
});

Deno.test("a server ends the connection at a ready that belongs to nothing", async () => {
  await using scene = await Resuming.of("put", CONTENT);
  using peer = await RawPeer.greeted(scene.served.address);
  await peer.send("ready", { offset: 0 });
  assertEquals((await peer.answer()).outcome, "disconnect BadRequest");
  assertEquals(await peer.ended(), "closed");
});

Deno.test("a server stores the offset's part and the body, or nothing", async (t) => {
  const rest = CONTENT.subarray(MIB);
  const cases: [string, number, Uint8Array, string][] = [
    ["all the rest", MIB, rest, "ok"],
    ["less than the rest", MIB, rest.subarray(1), "BadRequest"],
    ["more than the rest", MIB, concat(rest, Uint8Array.of(1)), "BadRequest"],
    ["nothing", 2 * MIB, new Uint8Array(0), "BadRequest"],
  ];
  for (const [what, offset, body, wanted] of cases) {
    await t.step(what, async () => {
      await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
      using peer = await askedToGoOn(scene);
      await peer.send("ready", { offset });
      for (let at = 0; at < body.length; at += MIB) await peer.send("data", body.subarray(at, at + MIB));
      await peer.send("end", { size: body.length });
      assertEquals((await peer.answer()).outcome, wanted);
      if (wanted === "ok") await assertFile(scene.target, CONTENT);
      else assert(!allNames(scene.targetDirectory).includes("f"));
    });
  }
});

Deno.test("a server takes the first word about the offset, and no later one", async (t) => {
  await t.step("data, then ready", async () => {
    await using scene = await Resuming.of("put", CONTENT, flipped(CONTENT.subarray(0, 2 * MIB), 0));
    using peer = await RawPeer.greeted(scene.served.address);
    await peer.send("request", PUT);
    await peer.receive();
    await peer.send("data", CONTENT.subarray(0, MIB));
    await peer.send("ready", { offset: 2 * MIB });
    for (let at = MIB; at < SIZE; at += MIB) await peer.send("data", CONTENT.subarray(at, at + MIB));
    await peer.send("end", { size: SIZE });
    const { outcome } = await peer.answer();
    if (outcome === "ok") await assertFile(scene.target, CONTENT);
    else assert(!allNames(scene.targetDirectory).includes("f"));
  });
  await t.step("ready twice", async () => {
    await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
    using peer = await askedToGoOn(scene);
    await peer.sendAll(["ready", { offset: MIB }], ["ready", { offset: 0 }]);
    for (let at = MIB; at < SIZE; at += MIB) await peer.send("data", CONTENT.subarray(at, at + MIB));
    await peer.send("end", { size: SIZE - MIB });
    const { outcome } = await peer.answer();
    if (outcome === "ok") await assertFile(scene.target, CONTENT);
    else assert(!allNames(scene.targetDirectory).includes("f"));
  });
});

Deno.test("a server answers hostile requests for blocks with typed errors and goes on", async () => {
  await using scene = await Resuming.of("get", CONTENT);
  await Deno.mkdir(scene.served.join("d"));
  using peer = await RawPeer.greeted(scene.served.address);
  const refused: [Record<string, unknown>, string][] = [
    [{ path: "f" }, "BadRequest"],
    [{ path: "f", length: -1 }, "BadRequest"],
    [{ path: "f", length: 1.5 }, "BadRequest"],
    [{ path: "f", length: "9" }, "BadRequest"],
    [{ path: "f", length: 2 ** 53 }, "BadRequest"],
    [{ length: 5 }, "BadRequest"],
    [{ path: "../f", length: 5 }, "InvalidPath"],
    [{ path: partialName("f"), length: 5 }, "InvalidPath"],
    [{ path: "none", length: 5 }, "NotFound"],
    [{ path: "d", length: 5 }, "IsADirectory"],
  ];
  for (const [fields, code] of refused) {
    assertEquals((await peer.ask({ command: "blocks", ...fields })).outcome, code, JSON.stringify(fields));
  }
  const { outcome, fields } = await peer.ask({ command: "blocks", path: "f", length: 2 ** 53 - 1 });
  assertEquals([outcome, fields.size], ["ok", SIZE]);
  const nothing = await peer.ask({ command: "blocks", path: "f", length: 0 });
  assertEquals(nothing.outcome, "ok");
  assertEquals((nothing.fields as { covered?: number }).covered, 0);
});
