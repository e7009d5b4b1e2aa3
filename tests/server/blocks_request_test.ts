import { assertEquals } from "@std/assert";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { RawPeer } from "../helpers/raw.ts";
import { CONTENT, Resuming } from "../helpers/resuming.ts";

const SIZE = CONTENT.length;

const MIB = 1024 * 1024;

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
    [{ path: temporaryName("f"), length: 5 }, "InvalidPath"],
    [{ path: "none", length: 5 }, "NotFound"],
    [{ path: "d", length: 5 }, "IsADirectory"],
    [{ path: "f", length: 5, blockSize: 0 }, "BadRequest"],
    [{ path: "f", length: 5, blockSize: MIB - 1 }, "BadRequest"],
    [{ path: "f", length: 1024 * MIB + 1, blockSize: MIB }, "BadRequest"],
  ];
  for (const [fields, code] of refused) {
    assertEquals((await peer.ask({ command: "blocks", ...fields })).outcome, code, JSON.stringify(fields));
  }
  const { outcome, fields } = await peer.ask({ command: "blocks", path: "f", length: 2 ** 53 - 1 });
  assertEquals([outcome, fields.size], ["ok", SIZE]);
  for (const [length, blockSize] of [[1024 * MIB, MIB], [50 * 1024 * MIB, 53_687_092], [5, MIB + 1]] as const) {
    const { outcome, fields } = await peer.ask({ command: "blocks", path: "f", length, blockSize });
    assertEquals([outcome, (fields as { blockSize?: number }).blockSize], ["ok", blockSize]);
  }
  const nothing = await peer.ask({ command: "blocks", path: "f", length: 0 });
  assertEquals(nothing.outcome, "ok");
  assertEquals((nothing.fields as { covered?: number }).covered, 0);
});
