import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { connect } from "../../lib/mod.ts";
import { copyFile } from "../../lib/transfer/copy.ts";
import { localTarget } from "../../lib/transfer/local.ts";
import { TemporaryFile } from "../../lib/storage/directory/temporary_file.ts";
import { concat, sameBytes } from "../helpers/frames.ts";
import { UploadHolder } from "../helpers/other_process.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, failsWith, RawPeer, within } from "../helpers/raw.ts";
import { allNames, CONTENT, DIRECTIONS, flipped, MIB, Resuming } from "../helpers/resuming.ts";
import { at } from "../helpers/storage.ts";
import { withWrongSums } from "../helpers/sums.ts";

const SIZE = CONTENT.length;

const KEPT_SIZES = [0, 1, 1024, MIB, SIZE - 1, SIZE];

/** What an interrupted transfer may have left, besides the right bytes, and where the next one may go on at best. */
const KEPT: Record<string, (size: number) => { kept: Uint8Array; from: number }> = {
  "a good prefix": (size) => ({ kept: CONTENT.subarray(0, size), from: size }),
  "a wrong first block": (size) => ({ kept: flipped(CONTENT.subarray(0, size), 0), from: 0 }),
  "a wrong last block": (size) => ({
    kept: flipped(CONTENT.subarray(0, size), size - 1),
    from: Math.max(0, Math.ceil(size / MIB) - 1) * MIB,
  }),
  "more than the source has": (size) => ({
    kept: concat(CONTENT.subarray(0, size), bytes(SIZE - size + 4321, size)),
    from: size - size % MIB,
  }),
};

for (const direction of DIRECTIONS) {
  Deno.test(`${direction}() ends with the right file whatever was kept, and sends no right block again`, async (t) => {
    for (const [what, make] of Object.entries(KEPT)) {
      for (const size of KEPT_SIZES) {
        await t.step(`${what}, ${size} bytes`, async () => {
          const { kept, from } = make(size);
          await using scene = await Resuming.of(direction, CONTENT, kept);
          const travelled = await scene.transferred();
          await scene.assertDone(CONTENT);
          if (what === "a good prefix") assertEquals(travelled, SIZE - size);
          else assert(travelled >= SIZE - kept.length && travelled <= SIZE - from, `${travelled} bytes travelled`);
        });
      }
    }
  });

  Deno.test(`${direction}() replaces what was kept for a file that is now small or empty`, async (t) => {
    for (const size of [0, 1, 1000, MIB, MIB + 1]) {
      await t.step(`${size} bytes`, async () => {
        await using scene = await Resuming.of(direction, CONTENT.subarray(0, size), flipped(CONTENT, 0));
        await scene.transferred();
        await scene.assertDone(CONTENT.subarray(0, size));
      });
    }
  });

  Deno.test(`${direction}() without resume sends everything and uses nothing of what was kept`, async () => {
    for (const kept of [CONTENT.subarray(0, 2 * MIB), flipped(CONTENT, 5), concat(CONTENT, bytes(99))]) {
      await using scene = await Resuming.of(direction, CONTENT, kept);
      assertEquals(await scene.transferred({ resume: false }), SIZE);
      await scene.assertDone(CONTENT);
    }
  });

  Deno.test(`${direction}() that was cut off goes on, and only the rest passes the line`, async () => {
    const content = bytes(8 * MIB, 5);
    await using scene = await Resuming.of(direction, content);
    const way = direction === "get" ? "toClient" : "toServer";
    const cut = { after: 5 * MIB + 7, by: "reset" } as const;
    await using cutting = await FaultProxy.to(scene.served.address, { [way]: { cut } });
    await using first = await connect(cutting.address);
    await failsWith(scene.transfer(first), "Disconnected");
    await scene.served.events.until("close");
    const kept = scene.partialBytes;
    scene.assertKept(kept);
    assertGreater(kept, 0);
    await using proxy = await FaultProxy.to(scene.served.address);
    await using client = await connect(proxy.address);
    const offsets: number[] = [];
    await scene.transfer(client, { onProgress: (moved) => offsets.push(moved) });
    await scene.assertDone(content);
    // Frames have headers, and the blocks have sums.
    assertLess(proxy.passed[way], content.length - kept + 10_000);
    assertGreater(offsets[0] ?? 0, kept - 1);
    assertEquals(offsets.at(-1), content.length);
  });

  Deno.test(`${direction}() keeps what was kept when it is cut off before it goes on`, async (t) => {
    const [way, back] = direction === "get" ? ["toClient", "toServer"] as const : ["toServer", "toClient"] as const;
    const kept = CONTENT.subarray(0, 2 * MIB);
    for (const [side, points] of [[way, [40, 100, 200]], [back, [20, 60, 100]]] as const) {
      for (const after of points) {
        await t.step(`${side}, after ${after} bytes`, async () => {
          await using scene = await Resuming.of(direction, CONTENT, kept);
          await using proxy = await FaultProxy.to(scene.served.address, { [side]: { cut: { after, by: "reset" } } });
          const failed = connect(proxy.address).then(async (client) => {
            await using _client = client;
            await scene.transfer(client);
          });
          await failsWith(failed, "Disconnected", "Unreachable");
          await scene.served.events.until("close");
          assertGreater(scene.partialBytes, kept.length - 1);
          assertLess(await scene.transferred(), SIZE - kept.length + 1);
          await scene.assertDone(CONTENT);
        });
      }
    }
  });

  Deno.test(`${direction}() of a source that changed after the interruption gives the new one`, async (t) => {
    const end = SIZE - 500;
    const changes: Record<string, Uint8Array> = {
      "another beginning": flipped(CONTENT, 3),
      "another end": flipped(CONTENT, SIZE - 1),
      "another middle": flipped(CONTENT, MIB),
      "longer": concat(CONTENT, bytes(2 * MIB + 1, 9)),
      "shorter": CONTENT.subarray(0, MIB + 5),
      "shorter and different": bytes(MIB + 5, 11),
      "empty": new Uint8Array(0),
    };
    for (const [what, content] of Object.entries(changes)) {
      await t.step(what, async () => {
        await using scene = await Resuming.of(direction, CONTENT, CONTENT.subarray(0, end));
        await scene.setSource(content, 60);
        const travelled = await scene.transferred();
        await scene.assertDone(content);
        if (what === "longer") assertEquals(travelled, content.length - 3 * MIB - end % MIB);
      });
    }
    await t.step("replaced by another file of the same size and time", async () => {
      await using scene = await Resuming.of(direction, CONTENT, CONTENT.subarray(0, end));
      const { mtime } = await Deno.stat(scene.source);
      await Deno.writeFile(`${scene.source}.new`, bytes(SIZE, 12));
      await Deno.utime(`${scene.source}.new`, mtime ?? 0, mtime ?? 0);
      await Deno.rename(`${scene.source}.new`, scene.source);
      await scene.transferred();
      await scene.assertDone(bytes(SIZE, 12));
    });
  });

  Deno.test(`${direction}() fails with Busy while another writer has what was kept, and leaves it alone`, async () => {
    const kept = CONTENT.subarray(0, 2 * MIB);
    await using scene = await Resuming.of(direction, CONTENT, kept);
    const other = TemporaryFile.open(scene.targetDirectory, "f");
    await using client = await scene.served.connect();
    for (const resume of [true, false]) await failsWith(scene.transfer(client, { resume }), "Busy");
    scene.assertKept(kept.length);
    other.file.close();
    assertEquals(await scene.transferred(), SIZE - kept.length);
    await scene.assertDone(CONTENT);
  });

  Deno.test(`${direction}() fails with Busy while another process writes, and works when that was killed`, async () => {
    await using scene = await Resuming.of(direction, CONTENT);
    await using holder = await UploadHolder.start(scene.targetDirectory, "f");
    await using client = await scene.served.connect();
    await failsWith(scene.transfer(client), "Busy");
    await holder.kill();
    await scene.transfer(client);
    await scene.assertDone(CONTENT);
  });

  Deno.test(`${direction}() that must not overwrite leaves file and kept part as they are`, async () => {
    await using scene = await Resuming.of(direction, CONTENT, CONTENT.subarray(0, MIB));
    await Deno.writeTextFile(scene.target, "old");
    await using client = await scene.served.connect();
    await failsWith(scene.transfer(client, { overwrite: false }), "AlreadyExists");
    await assertFile(scene.target, "old");
    assertEquals(scene.partialBytes, MIB);
    await scene.transfer(client);
    await scene.assertDone(CONTENT);
  });
}

/** More than the system's socket buffers hold, so that the source changes while it is sent. */
const LARGE = bytes(40 * MIB, 13);

Deno.test("get() of a source that changes during the resumed transfer begins again and gives the new one", async () => {
  await using scene = await Resuming.of("get", LARGE, LARGE.subarray(0, MIB));
  const next = bytes(LARGE.length, 14);
  let changed = false;
  await using client = await scene.served.connect();
  await scene.transfer(client, {
    onProgress(moved) {
      if (changed || moved < 2 * MIB) return;
      changed = true;
      Deno.writeFileSync(scene.source, next);
    },
  });
  await assertFile(scene.target, next);
  const outcomes = scene.served.events.of("command").map(({ command, outcome }) => `${command} ${outcome}`);
  assertEquals(outcomes.slice(0, 4), ["blocks ok", "get Changed", "stat ok", "blocks ok"]);
});

Deno.test("get() of a source that always changes gives up with Changed, and nothing appears", async () => {
  let turn = 0;
  await using scene = await Resuming.of("get", CONTENT, CONTENT.subarray(0, MIB), {}, (storage) => ({
    async read(path, options) {
      const reader = await storage.read(path, options);
      using file = await Deno.open(scene.source, { write: true });
      await file.write(Uint8Array.of(++turn));
      return reader;
    },
  }));
  await using client = await scene.served.connect();
  await failsWith(scene.transfer(client), "Changed");
  assertGreater(turn, 1);
  assert(!allNames(scene.targetDirectory).includes("f"));
  assertEquals((await within(client.stat())).kind, "directory");
});

Deno.test("get() of a source that changes between the comparison and the rest gives no mixture", async () => {
  const next = bytes(SIZE, 16);
  let compared = 0;
  await using scene = await Resuming.of("get", CONTENT, CONTENT.subarray(0, 2 * MIB), {}, (storage) => ({
    async blocks(path, options) {
      const found = await storage.blocks(path, options);
      if (++compared === 1) await scene.setSource(next, 60);
      return found;
    },
  }));
  await scene.transferred();
  await scene.assertDone(next);
  assertEquals(compared, 2);
});

Deno.test("put() of a source that changes during the resumed transfer begins again and gives the new one", async () => {
  await using scene = await Resuming.of("put", LARGE, LARGE.subarray(0, MIB));
  const next = bytes(LARGE.length - MIB, 15);
  await using client = await scene.served.connect();
  let changed = false;
  const onProgress = (moved: number) => {
    if (changed || moved < 2 * MIB) return;
    changed = true;
    Deno.writeFileSync(scene.source, next);
  };
  await scene.transfer(client, { onProgress });
  await scene.assertDone(next);
  const outcomes = scene.served.events.of("command").map(({ command, outcome }) => `${command} ${outcome}`);
  assertEquals(outcomes.slice(0, 3), ["offer ok", "put Cancelled", "offer ok"]);
});

Deno.test("put() keeps what was kept when the client goes away or gives up before it goes on", async (t) => {
  for (const how of ["goes away", "cancels", "gives up"] as const) {
    for (const when of ["while it compares", "before the body"] as const) {
      await t.step(`${how} ${when}`, async () => {
        await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, 2 * MIB));
        using peer = await RawPeer.greeted(scene.served.address);
        const { fields } = await peer.ask({ command: "offer", path: "f", size: SIZE });
        const { covered: offset, kept } = fields as { covered: number; kept: string };
        assertEquals(offset, 2 * MIB);
        const begins = when === "before the body";
        if (begins) {
          await peer.send("request", { command: "put", path: "f", size: SIZE, offset, kept, shared: true });
          assertEquals((await peer.receive())?.kind, "ready");
        }
        if (how === "goes away") peer.conn.close();
        else if (how === "cancels") await peer.send("cancel", { request: begins ? 2 : 1 });
        else if (begins) await peer.send("error", { code: "Cancelled", message: "the client gave up" });
        if (begins) await scene.served.events.until("command", 2);
        else if (how === "goes away") await scene.served.events.until("close");
        else assertEquals((await peer.ask({ command: "stat" })).outcome, "ok");
        scene.assertKept(2 * MIB);
      });
    }
  }
});

Deno.test("put() and get() that are cancelled keep what has arrived", async () => {
  for (const direction of DIRECTIONS) {
    await using scene = await Resuming.of(direction, LARGE, LARGE.subarray(0, MIB));
    await using client = await scene.served.connect();
    const stop = new AbortController();
    const onProgress = (moved: number) => {
      if (moved > 3 * MIB) stop.abort();
    };
    await failsWith(scene.transfer(client, { signal: stop.signal, onProgress }), "Cancelled");
    assertEquals((await within(client.stat())).kind, "directory");
    const kept = scene.partialBytes;
    assertGreater(kept, MIB - 1);
    assert(sameBytes(await Deno.readFile(scene.partial), LARGE.subarray(0, kept)));
    assertEquals(await scene.transferred(), LARGE.length - kept);
    await scene.assertDone(LARGE);
  }
});

Deno.test("put() says whether the file was synced", async () => {
  await using scene = await Resuming.of("put", CONTENT, CONTENT.subarray(0, MIB));
  await using client = await scene.served.connect();
  for (const durable of [true, false]) {
    const receipt = await client.put(scene.source, "f", { durable });
    assertEquals(receipt.durable, durable);
    const stream = ReadableStream.from([new Uint8Array(5)]);
    assertEquals((await client.put(stream, "small", { durable })).durable, durable);
  }
  assertEquals((await client.put(scene.source, "f")).durable, false);
});

Deno.test("get() with durable gives the right file", async () => {
  await using scene = await Resuming.of("get", CONTENT, CONTENT.subarray(0, MIB));
  assertEquals(await scene.transferred({ durable: true }), SIZE - MIB);
  await scene.assertDone(CONTENT);
});

Deno.test("copyFile() with verify fails with Corrupt when the two files differ afterwards", async () => {
  await using scene = await Resuming.of("get", CONTENT, undefined, {}, withWrongSums);
  await using client = await scene.served.connect();
  const source = { storage: client.storage, path: at("f"), shown: "f" };
  const target = localTarget(scene.target);
  await failsWith(copyFile(source, target, { verb: "get", verify: true }), "Corrupt");
  assertEquals(await copyFile(source, target, { verb: "get" }), "done");
});
