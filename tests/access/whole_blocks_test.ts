import { assertEquals, assertMatch } from "@std/assert";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { bytes } from "../helpers/random.ts";
import { RawPeer, Served } from "../helpers/raw.ts";
import { CONTENT, fieldsOf, MIB, Resuming } from "../helpers/resuming.ts";
import { DROP_BOX } from "../helpers/visit.ts";

Deno.test("offer tells a drop box of whole blocks only, whatever size it names, and who may read of all bytes", async () => {
  const kept = bytes(MIB + 100, 3);
  for (const policy of [DROP_BOX, {}]) {
    await using served = await Served.with({ [temporaryName("f")]: kept }, policy);
    using peer = await RawPeer.greeted(served.address);
    for (const size of [0, 1, 100, MIB - 1, MIB, MIB + 1, MIB + 99, MIB + 100, MIB + 101, 3 * MIB]) {
      const all = Math.min(size, kept.length);
      const told = policy === DROP_BOX ? all - all % MIB : all;
      const { fields, outcome } = await peer.ask({ command: "offer", path: "f", size });
      const { kept: state, ...sums } = fields as { kept?: string };
      assertEquals([outcome, sums], ["ok", await fieldsOf(kept.subarray(0, told))], `${size}`);
      assertEquals(state !== "", told > 0, `${size}`);
    }
    const { fields } = await peer.ask({ command: "offer", path: "f" });
    const { kept: state, ...sums } = fields as { kept?: string };
    assertEquals(sums, await fieldsOf(policy === DROP_BOX ? kept.subarray(0, MIB) : kept));
    assertMatch(state ?? "", /^[0-9a-f]{64}$/);
    // With larger blocks there is no whole one.
    const size = 2 ** 30 + 1;
    const { covered } = (await peer.ask({ command: "offer", path: "f", size })).fields as { covered?: number };
    assertEquals(covered, policy === DROP_BOX ? 0 : kept.length);
  }
});

Deno.test("put into a drop box mixes no block of what was kept with bytes of its own", async () => {
  await using served = await Served.with({ [temporaryName("f")]: bytes(MIB + 100, 3) }, DROP_BOX);
  using peer = await RawPeer.greeted(served.address);
  const size = 3 * MIB;
  const offer = async () => (await peer.ask({ command: "offer", path: "f", size })).fields as { kept?: string };
  const { kept = "" } = await offer();
  assertMatch(kept, /^[0-9a-f]{64}$/);
  for (const offset of [1, MIB - 1, MIB + 1, MIB + 100]) {
    await peer.sendAll(["request", { command: "put", path: "f", size, offset, kept }], ["end", { size: 0 }]);
    assertEquals((await peer.answer()).outcome, "BadRequest", `${offset}`);
    assertEquals((await offer()).kept, kept, "what was kept is as it was");
  }
  // Nor by way of a part that lies in what was kept.
  using other = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "f", size, offset: MIB, kept, shared: true });
  const { upload } = (await peer.receive())?.value as { upload: string };
  await other.sendAll(["request", { command: "part", upload, offset: 7 }], ["end", { size: 0 }]);
  assertEquals((await other.answer()).outcome, "BadRequest");
  await peer.send("error", { code: "Cancelled", message: "" });
  assertEquals((await peer.answer()).outcome, "Cancelled");
});

Deno.test("put() into a drop box goes on after the last whole block that was kept", async () => {
  await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, MIB + 100), DROP_BOX);
  assertEquals(await scene.transferred(), CONTENT.length - MIB);
  await scene.assertDone(CONTENT);
});
