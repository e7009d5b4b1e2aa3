import { assert, assertEquals } from "@std/assert";
import { concat } from "../helpers/frames.ts";
import { assertFile, type Kind, RawPeer, Served } from "../helpers/raw.ts";
import { allNames, CONTENT, fieldsOf, flipped, MIB, Resuming } from "../helpers/resuming.ts";

const SIZE = CONTENT.length;

const PUT = { command: "put", path: "f", size: SIZE };

interface Offered {
  readonly covered: number;
  readonly kept: string;
}

/** A server whose `f` was interrupted after two blocks, and a client that has asked what was kept. */
async function askedToGoOn(scene: Resuming): Promise<{ peer: RawPeer; kept: string }> {
  const peer = await RawPeer.greeted(scene.served.address);
  const { fields } = await peer.ask({ command: "offer", path: "f", size: SIZE });
  const { kept, ...sums } = fields as Offered;
  assertEquals(sums, await fieldsOf(CONTENT.subarray(0, 2 * MIB)));
  return { peer, kept };
}

/** Sends the body of a `put`; gives the outcome. */
async function putBody(peer: RawPeer, request: object, body: Uint8Array): Promise<string> {
  await peer.send("request", request);
  for (let at = 0; at < body.length; at += MIB) await peer.send("data", body.subarray(at, at + MIB));
  await peer.send("end", { size: body.length });
  return (await peer.answer()).outcome;
}

Deno.test("a server refuses an offset that it has not offered, and goes on", async (t) => {
  const cases: [number, string][] = [[2 * MIB + 1, "Changed"], [SIZE, "Changed"], [2 ** 53 - 1, "BadRequest"]];
  for (const [offset, wanted] of cases) {
    await t.step(`offset ${offset}`, async () => {
      await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
      const { peer, kept } = await askedToGoOn(scene);
      using _peer = peer;
      assertEquals(await putBody(peer, { ...PUT, offset, kept }, CONTENT.subarray(0, 10)), wanted);
      assertEquals((await peer.ask({ command: "stat" })).outcome, "ok");
      scene.assertKept(2 * MIB);
    });
  }
});

Deno.test("a server goes on only with the state that was compared, and leaves what is kept alone", async (t) => {
  const change: Record<string, (scene: Resuming, state: string) => Promise<string | undefined>> = {
    "another state": (_, state) => Promise.resolve(`${state}x`),
    "no state": () => Promise.resolve(undefined),
    "an empty state": () => Promise.resolve(""),
    "a partial file that was written again": async (scene, state) => {
      await Deno.writeFile(scene.partial, flipped(CONTENT.subarray(0, 2 * MIB), 0));
      return state;
    },
    "a partial file that is gone": async (scene, state) => {
      await Deno.remove(scene.partial);
      return state;
    },
    "an upload that was begun again": async (scene, state) => {
      using other = await RawPeer.greeted(scene.served.address);
      const wrong = flipped(CONTENT.subarray(0, 2 * MIB), 0);
      await other.sendAll(["request", PUT], ["data", wrong.subarray(0, MIB)], ["data", wrong.subarray(MIB)]);
      await other.send("error", { code: "Cancelled", message: "" });
      assertEquals((await other.answer()).outcome, "Cancelled");
      return state;
    },
  };
  for (const [what, make] of Object.entries(change)) {
    await t.step(what, async () => {
      await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
      const { peer, kept: state } = await askedToGoOn(scene);
      using _peer = peer;
      const kept = await make(scene, state);
      const left = scene.partialBytes;
      const outcome = await putBody(peer, { ...PUT, offset: 2 * MIB, kept }, CONTENT.subarray(2 * MIB));
      assertEquals(outcome, kept === undefined ? "BadRequest" : "Changed");
      scene.assertKept(left);
    });
  }
});

Deno.test("a server sees a change of what is kept within one tick of its clock", async () => {
  for (let round = 0; round < 20; round++) {
    await using scene = await Resuming.of("put", CONTENT);
    using peer = await RawPeer.greeted(scene.served.address);
    const begun: [Kind, unknown][] = [["request", PUT], ["data", CONTENT.subarray(0, 10)]];
    await peer.sendAll(...begun, ["error", { code: "Cancelled", message: "" }]);
    assertEquals((await peer.answer()).outcome, "Cancelled");
    const { fields } = await peer.ask({ command: "offer", path: "f", size: SIZE });
    const { covered: offset, kept } = fields as Offered;
    assertEquals(offset, 10);
    await Deno.writeFile(scene.partial, flipped(CONTENT.subarray(0, 10), 0), { create: false });
    assertEquals(await putBody(peer, { ...PUT, offset, kept }, new Uint8Array(0)), "Changed");
  }
});

Deno.test("a server answers an offset or a state that is none with BadRequest, and goes on", async (t) => {
  const odd = [{ offset: -1 }, { offset: 1.5 }, { offset: "5" }, { offset: 2 ** 53 }, { offset: {} }, { kept: 5 }];
  for (const fields of odd) {
    await t.step(JSON.stringify(fields), async () => {
      await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
      const { peer, kept } = await askedToGoOn(scene);
      using _peer = peer;
      assertEquals(await putBody(peer, { ...PUT, offset: MIB, kept, ...fields }, CONTENT), "BadRequest");
      assertEquals((await peer.ask({ command: "stat" })).outcome, "ok");
      scene.assertKept(2 * MIB);
    });
  }
});

Deno.test("a server ends the connection at a ready from the client", async (t) => {
  for (const before of [[], [["request", PUT]]] as [Kind, unknown][][]) {
    await t.step(`after ${before.length} requests`, async () => {
      await using scene = await Resuming.of("put", CONTENT);
      using peer = await RawPeer.greeted(scene.served.address);
      await peer.sendAll(...before, ["ready", { offset: 0 }]);
      let answer = await peer.answer();
      if (answer.outcome === "Disconnected") answer = await peer.answer();
      assertEquals(answer.outcome, "disconnect BadRequest");
      assertEquals(await peer.ended(), "closed");
    });
  }
});

Deno.test("a server stores the offset's part and the body, or nothing", async (t) => {
  const rest = CONTENT.subarray(MIB);
  const cases: [string, number, Uint8Array, string][] = [
    ["all the rest", MIB, rest, "ok"],
    ["less than the rest", MIB, rest.subarray(1), "BadRequest"],
    ["more than the rest", MIB, concat(rest, Uint8Array.of(1)), "BadRequest"],
    ["nothing", 2 * MIB, new Uint8Array(0), "BadRequest"],
    ["everything, from the beginning", 0, CONTENT, "ok"],
  ];
  for (const [what, offset, body, wanted] of cases) {
    await t.step(what, async () => {
      await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
      const { peer, kept } = await askedToGoOn(scene);
      using _peer = peer;
      assertEquals(await putBody(peer, { ...PUT, offset, kept }, body), wanted);
      if (wanted === "ok") await assertFile(scene.target, CONTENT);
      else assert(!allNames(scene.targetDirectory).includes("f"));
    });
  }
});

Deno.test("a server answers offer with the error that put would get", async () => {
  await using served = await Served.with({ f: "old", "d/x": "" }, { limits: { fileBytes: 10 } });
  using peer = await RawPeer.greeted(served.address);
  const requests: [object, string][] = [
    [{ path: "f", overwrite: false }, "AlreadyExists"],
    [{ path: "d" }, "IsADirectory"],
    [{ path: "d/../f" }, "InvalidPath"],
    [{ path: "missing/f" }, "NotFound"],
    [{ path: "new", size: 11 }, "TooLarge"],
    [{ path: "new", size: -1 }, "BadRequest"],
    [{ path: "" }, "InvalidPath"],
    [{ path: "new", size: 10 }, "ok"],
    [{ path: "new" }, "ok"],
  ];
  for (const [fields, wanted] of requests) {
    const offer = await peer.ask({ command: "offer", ...fields });
    await peer.send("request", { command: "put", ...fields });
    await peer.send("error", { code: "Cancelled", message: "" });
    const put = await peer.answer();
    assertEquals(offer.outcome, wanted, JSON.stringify(fields));
    assertEquals(put.outcome, wanted === "ok" ? "Cancelled" : wanted, JSON.stringify(fields));
    if (wanted !== "ok") assertEquals(offer.fields, put.fields);
    else assertEquals<object>(offer.fields, { covered: 0, blockSize: MIB, hashes: "", kept: "" });
  }
  assertEquals(allNames(served.join()), ["d", "f"]);
});
