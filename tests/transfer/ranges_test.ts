import { assert, assertEquals } from "@std/assert";
import { connect, serve, type ServerEvent } from "../../lib/mod.ts";
import { copyFile } from "../../lib/transfer/copy.ts";
import { localSource, localTarget } from "../../lib/transfer/local.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, RawPeer, Served } from "../helpers/raw.ts";
import { at } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

/** More than the size from which on a file is split. */
const SIZE = 70_000_000;

for (const direction of ["get", "put"] as const) {
  Deno.test(`copyFile() as a ${direction} sends a large file over all connections, byte for byte`, async () => {
    await using dir = await tempDir();
    const [served, here] = [dir.join("served"), dir.join("here")];
    Deno.mkdirSync(served);
    Deno.mkdirSync(here);
    const [from, to] = direction === "get" ? [served, here] : [here, served];
    const content = bytes(SIZE, 7);
    Deno.writeFileSync(`${from}/f`, content);
    const events: ServerEvent[] = [];
    await using server = serve({ root: served, port: 0, onEvent: (event) => events.push(event) });
    await using client = await connect({ ...server.address, connections: 3 });
    const there = { storage: client.storage, path: at("f"), shown: "f" };
    const ends = direction === "get" ? [there, localTarget(`${here}/f`)] : [localSource(`${here}/f`), there];
    const [source = there, target = there] = ends;
    const known = await source.storage.stat(source.path);
    const moved: number[] = [];
    const onProgress = (bytes: number) => void moved.push(bytes);
    await copyFile(source, target, { verb: direction, connections: 3, known, onProgress });
    // What is there at the first call counts as kept of an earlier attempt.
    assertEquals([moved[0], moved.at(-1)], [0, SIZE]);
    assertEquals(Deno.readDirSync(to).toArray().map(({ name }) => name), ["f"]);
    const arrived = Deno.readFileSync(`${to}/f`);
    assert(arrived.length === SIZE && arrived.every((byte, i) => byte === content[i]), "the bytes differ");
    const commands = events.filter((event) => event.event === "command" && event.bytes > 0);
    assertEquals(new Set(commands.map((event) => "session" in event ? event.session : 0)).size, 3);
  });
}

/** Sends parts of a file of 6 bytes, each on a connection of its own; gives the answers and that to the whole. */
async function putParts(served: Served, parts: readonly [offset: number, text: string][]): Promise<string[]> {
  using host = await RawPeer.greeted(served.address);
  await host.send("request", { command: "put", path: "f", size: 6, shared: true });
  const { upload } = (await host.receive())?.value as { upload: string };
  const outcomes: string[] = [];
  for (const [offset, text] of parts) {
    using peer = await RawPeer.greeted(served.address);
    const body = new TextEncoder().encode(text);
    await peer.sendAll(["request", { command: "part", upload, offset }], ["data", body], ["end", {
      size: body.length,
    }]);
    outcomes.push((await peer.answer()).outcome);
  }
  await host.send("end", { size: 0 });
  return [...outcomes, (await host.answer()).outcome];
}

Deno.test("openPart() counts bytes once that are sent again, since the answer was lost", async () => {
  await using served = await Served.with();
  assertEquals(await putParts(served, [[3, "def"], [0, "abc"], [0, "abc"]]), ["ok", "ok", "ok", "ok"]);
  await assertFile(served.join("f"), "abcdef");
});

Deno.test("commit() refuses a file with a gap between its parts, however many bytes were sent", async () => {
  await using served = await Served.with({ f: "old" });
  assertEquals(await putParts(served, [[0, "ab"], [0, "ab"], [4, "ef"]]), ["ok", "ok", "ok", "BadRequest"]);
  await assertFile(served.join("f"), "old");
});
