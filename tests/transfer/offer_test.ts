import { assertEquals } from "@std/assert";
import { connect } from "../../lib/mod.ts";
import { concat } from "../helpers/frames.ts";
import { failsWith, FakeServer, RawPeer, within } from "../helpers/raw.ts";
import { asked, CONTENT, FACTS, fieldsOf, flipped, MIB } from "../helpers/resuming.ts";
import { tempDir } from "../helpers/temp.ts";

const SIZE = CONTENT.length;

const WRONG = await fieldsOf(flipped(flipped(CONTENT.subarray(0, 2 * MIB), 0), MIB));
const MANY = await fieldsOf(CONTENT);
const LARGE_BLOCKS = await fieldsOf(CONTENT.subarray(0, 2 * MIB), 2 * MIB);

/** What the client says in answer to an `offer`. */
interface Sent {
  readonly offset: number | undefined;
  readonly kept: string | undefined;
  readonly bytes: number;
  readonly end: string;
}

/** What a client sends for a large `put`, given the server's answer to `offer`, up to its end. */
async function bodyAfter(peer: RawPeer, offered: unknown): Promise<Sent> {
  await peer.receive();
  await peer.send("ok", offered);
  const request = await peer.receive();
  const { offset, kept } = (asked(request) ?? {}) as { offset?: number; kept?: string };
  let bytes = 0;
  for (let frame = request;; bytes += frame.payload.length) {
    frame = await peer.receive();
    if (frame?.kind !== "data") return { offset, kept, bytes, end: frame?.kind ?? "closed" };
  }
}

const OFFERED = { ...MANY, kept: "state" };

const OFFER_NONSENSE: Record<string, unknown> = {
  "null": null,
  "a list": [],
  "text": "5",
  "nothing": {},
  "sums of another kind": { ...OFFERED, hashes: 5 },
  "no sums": { ...OFFERED, hashes: "" },
  "not Base64": { ...OFFERED, hashes: "~" },
  "too few sums": { ...OFFERED, hashes: new Uint8Array(32).toBase64() },
  "a negative length": { ...OFFERED, covered: -5 },
  "blocks of nothing": { ...OFFERED, blockSize: 0 },
  "no state": { ...OFFERED, kept: undefined },
  "a state of another kind": { ...OFFERED, kept: 5 },
};

Deno.test("put() fails with BadRequest when the server's answer to offer is nonsense, and sends nothing", async (t) => {
  for (const [what, offered] of Object.entries(OFFER_NONSENSE)) {
    await t.step(what, async () => {
      const seen = Promise.withResolvers<(string | undefined)[]>();
      await using server = FakeServer.welcoming(async (peer) => {
        const first = asked(await peer.receive())?.command;
        await peer.send("ok", offered);
        // The next thing is the end of the connection, or of the session.
        const next = await peer.receive().catch(() => undefined);
        seen.resolve([first, asked(next)?.command ?? "close"]);
      });
      await using local = await tempDir();
      await Deno.writeFile(local.join("f"), CONTENT);
      {
        await using client = await connect(server.address);
        await failsWith(client.put(local.join("f"), "f"), "BadRequest");
      }
      assertEquals(await within(seen.promise), ["offer", "close"]);
    });
  }
});

Deno.test("put() sends all that the server cannot have, whatever the server says that it has", async (t) => {
  const cases: [string, Awaited<ReturnType<typeof fieldsOf>>, number | undefined][] = [
    ["nothing", { covered: 0, blockSize: MIB, hashes: "" }, undefined],
    ["two blocks", await fieldsOf(CONTENT.subarray(0, 2 * MIB)), 2 * MIB],
    ["wrong blocks", WRONG, undefined],
    ["everything", MANY, SIZE],
    ["everything and more", await fieldsOf(concat(CONTENT, CONTENT)), 3 * MIB],
    ["a block as large as numbers go", {
      covered: 2 ** 53 - 1,
      blockSize: 2 ** 53 - 1,
      hashes: Uint8Array.fromBase64(MANY.hashes).subarray(0, 32).toBase64(),
    }, undefined],
    ["larger blocks", LARGE_BLOCKS, 2 * MIB],
  ];
  for (const [what, fields, offset] of cases) {
    await t.step(what, async () => {
      const seen = Promise.withResolvers<Sent>();
      await using server = FakeServer.welcoming(async (peer) => {
        seen.resolve(await bodyAfter(peer, { ...fields, kept: "state" }));
        await peer.send("ok", { path: "f", durable: false, ...FACTS });
        await peer.receive();
      });
      await using local = await tempDir();
      await Deno.writeFile(local.join("f"), CONTENT);
      await using client = await connect(server.address);
      await within(client.put(local.join("f"), "f"));
      const kept = offset === undefined ? undefined : "state";
      assertEquals(await seen.promise, { offset, kept, bytes: SIZE - (offset ?? 0), end: "end" });
    });
  }
});

Deno.test("put() fails when the server is content before the end of the body", async () => {
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    await peer.sendAll(["ok", OFFERED], ["ok", { path: "f", durable: false, ...FACTS }]);
    await peer.ended();
  });
  await using local = await tempDir();
  await Deno.writeFile(local.join("f"), CONTENT);
  await using client = await connect(server.address);
  await failsWith(client.put(local.join("f"), "f"), "BadRequest");
});
