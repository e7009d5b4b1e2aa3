import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { connect } from "../../lib/mod.ts";
import { copyFile } from "../../lib/transfer/copy.ts";
import { localSource, localTarget } from "../../lib/transfer/local.ts";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, Collector, failsWith, FakeServer, within } from "../helpers/raw.ts";
import { allNames, CONTENT, type Direction, DIRECTIONS, MIB, Resuming } from "../helpers/resuming.ts";
import { at } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";
import { transferTree } from "../helpers/trees.ts";

const SIZE = CONTENT.length;

// Links

for (const direction of DIRECTIONS) {
  Deno.test(`${direction}() onto a link goes on with what was kept under its own name, and replaces it`, async () => {
    await using scene = await Resuming.of(direction, CONTENT);
    const target = scene.targetDirectory;
    await Deno.mkdir(`${target}/d`);
    await Deno.writeTextFile(`${target}/d/real`, "old");
    const other = temporaryName("real");
    await Deno.writeFile(`${target}/d/${other}`, CONTENT.subarray(0, 3 * MIB));
    await Deno.writeFile(`${target}/${temporaryName("f")}`, CONTENT.subarray(0, 2 * MIB));
    await Deno.symlink("d/real", `${target}/f`);
    assertEquals(await scene.transferred(), SIZE - 2 * MIB);
    await assertFile(`${target}/f`, CONTENT);
    assert(Deno.lstatSync(`${target}/f`).isFile);
    assertEquals(await Deno.readTextFile(`${target}/d/real`), "old");
    assertEquals([allNames(target), allNames(`${target}/d`)], [["d", "f"], [other, "real"]]);
  });
}

// Several connections

const LARGE = bytes(70_000_000, 3);

/** Waits until the server has nothing more to do with any connection. */
async function allClosed({ served: { events } }: Resuming): Promise<void> {
  while (events.of("close").length < events.of("open").length) {
    await events.until("close", events.of("close").length + 1);
  }
}

/** Transfers `f` over three connections that are cut after so many bytes; none is made again. */
async function overThree(scene: Resuming, direction: Direction, cutAfter: number): Promise<void> {
  const way = direction === "get" ? "toClient" : "toServer";
  const cut = { after: cutAfter, by: "reset" } as const;
  await using proxy = await FaultProxy.to(scene.served.address, cutAfter === Infinity ? {} : { [way]: { cut } });
  await using client = await connect({ ...proxy.address, connections: 3 });
  const there = { storage: client.storage, path: at("f"), shown: "f" };
  const path = scene.local.join("f");
  const [source, target] = direction === "get" ? [there, localTarget(path)] : [localSource(path), there];
  const known = direction === "put" ? await source.storage.stat(source.path) : undefined;
  await within(copyFile(source, target, { verb: direction, connections: 3, known }), "the end", 20_000);
}

for (const direction of DIRECTIONS) {
  Deno.test(`copyFile() as a ${direction} over several connections goes on with what came in one piece`, async () => {
    await using scene = await Resuming.of(direction, LARGE);
    await failsWith(overThree(scene, direction, 10_000_000), "Disconnected", "Unreachable");
    await allClosed(scene);
    const kept = scene.partialBytes;
    // The first range was cut off within itself, at the latest when the first connection was lost; the two after it were
    // received in part, and lie behind a gap.
    assertGreater(kept, 0);
    assertLess(kept, 17_000_000);
    assertEquals(await Deno.readFile(scene.partial).then((found) => found.every((byte, i) => byte === LARGE[i])), true);
    const before = scene.served.events.of("command").length;
    await overThree(scene, direction, Infinity);
    await scene.assertDone(LARGE);
    await allClosed(scene);
    const moved = scene.served.events.of("command").slice(before).reduce((sum, each) => sum + each.bytes, 0);
    assertEquals(moved, LARGE.length - kept);
  });
}

// No round trip for each file

Deno.test("copyTree() offers many large files without waiting for the answers", async () => {
  const count = 20;
  const size = MIB + 1;
  const commands: string[] = [];
  await using server = FakeServer.welcoming(async (peer) => {
    const request = async () => {
      const frame = await peer.receive();
      const { command, path } = frame?.value as { command: string; path: string };
      commands.push(command);
      return path;
    };
    for (let i = 0; i < count; i++) await request();
    // Only now the first answer comes.
    for (let i = 0; i < count; i++) await peer.send("ok", { covered: 0, blockSize: MIB, hashes: "", kept: "" });
    for (let i = 0; i < count; i++) {
      const path = await request();
      for (let frame = await peer.receive(); frame?.kind === "data";) frame = await peer.receive();
      await peer.send("ok", { path, size, mtimeMs: 0, version: "v", durable: false });
    }
    await peer.receive();
  }, { window: 64 });
  await using local = await tempDir();
  for (let i = 0; i < count; i++) await Deno.writeFile(local.join(`f${i}`), bytes(size));
  const { failures } = await transferTree({ direction: "put", address: server.address, local: local.path });
  assertEquals(failures, []);
  assertEquals(commands, [...Array(count).fill("offer"), ...Array(count).fill("put")]);
});

// A hostile server

const READY = { size: 10, mtimeMs: 0, version: "v" };

/** A server that answers `get` with this `ready` and then sends data for ever. */
function endless(...ready: object[]): FakeServer {
  return FakeServer.welcoming(async (peer) => {
    await peer.receive();
    for (const each of ready) await peer.send("ready", each);
    const data = new Uint8Array(1000);
    for (;;) await peer.send("data", data);
  });
}

for (
  const [what, ready, most] of [
    ["more than it announced", [READY], 0],
    ["more than the rest that it announced", [{ ...READY, size: 1500 }], 1000],
    ["something before it says how much", [], 0],
    ["what it announced twice", [{ ...READY, size: 2000 }, { ...READY, size: 1e9 }], 2000],
  ] as const
) {
  Deno.test(`get() to a stream or a file takes nothing from a server that sends ${what}`, async () => {
    await using local = await tempDir();
    for (const to of ["a stream", "a file"]) {
      await using server = endless(...ready);
      await using client = await connect(server.address);
      const collector = new Collector();
      await failsWith(client.get("f", to === "a file" ? local.join("f") : collector), "BadRequest");
      assertLess(collector.bytes.length, most + 1);
      assert(!allNames(local.path).includes("f"));
      for (const name of allNames(local.path)) assertLess(Deno.statSync(local.join(name)).size, most + 1);
    }
  });
}
