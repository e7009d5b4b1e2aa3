import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DirectoryStorage } from "../../../lib/storage/directory/directory_storage.ts";
import { temporaryName } from "../../../lib/storage/directory/temporary_file.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { bytes } from "../../helpers/random.ts";
import { assertFile, failsWith, RawPeer, Served } from "../../helpers/raw.ts";
import { allNames, CONTENT } from "../../helpers/resuming.ts";
import { at, partOf } from "../../helpers/storage.ts";
import { tempDir } from "../../helpers/temp.ts";

const SIZE = CONTENT.length;

/** No file system gives a file space in larger units. */
const MAX_DISK_BLOCK_BYTES = 1024 * 1024;

// What is kept

Deno.test("abort() keeps what came in one piece, and cuts off what lies behind a gap", async (t) => {
  const cases: Record<string, { parts: [offset: number, length: number][]; kept: number }> = {
    "a gap at the beginning": { parts: [[1, 5]], kept: 0 },
    "one very far away": { parts: [[0, 5], [2 ** 43 - 2, 1]], kept: 5 },
    "a gap": { parts: [[0, 5], [6, 4]], kept: 5 },
    "none, in another order": { parts: [[5, 5], [0, 5]], kept: 10 },
    "parts that overlap": { parts: [[0, 5], [3, 9], [2, 2]], kept: 12 },
  };
  for (const [what, { parts, kept }] of Object.entries(cases)) {
    for (const isFinished of [true, false]) {
      await t.step(`${what}, ${isFinished ? "finished" : "in the middle"}`, async () => {
        await using dir = await tempDir();
        const storage = DirectoryStorage.open(dir.path);
        const upload = await storage.upload(at("f"));
        for (const [offset, length] of parts) {
          const part = await partOf(upload, offset);
          await part.write(new Uint8Array(length));
          if (isFinished) part.finish();
          part.close();
        }
        await upload.abort();
        assertEquals(allNames(dir.path), kept > 0 ? [temporaryName("f")] : []);
        if (kept > 0) assertEquals(Deno.statSync(dir.join(temporaryName("f"))).size, kept);
      });
    }
  }
});

Deno.test("abort() counts what was kept before, what the upload itself wrote, and parts together", async () => {
  await using dir = await tempDir();
  const storage = DirectoryStorage.open(dir.path);
  const first = await storage.upload(at("f"));
  await first.write(new Uint8Array(10));
  await first.abort();
  const { state: kept } = await storage.offer(at("f"), { size: 100 });
  const next = await storage.upload(at("f"), { size: 100, offset: 8, kept });
  await next.write(new Uint8Array(2));
  for (const offset of [10, 21]) {
    const part = await partOf(next, offset);
    await part.write(new Uint8Array(10));
    part.close();
  }
  await next.abort();
  assertEquals(Deno.statSync(dir.join(temporaryName("f"))).size, 20);
});

Deno.test("a part far away blocks no name: what is kept is not looked at beyond the announced size", async () => {
  await using served = await Served.with();
  using host = await RawPeer.greeted(served.address);
  await host.send("request", { command: "put", path: "f", shared: true });
  const { upload } = (await host.receive())?.value as { upload: string };
  using other = await RawPeer.greeted(served.address);
  const offset = 2 ** 43 - 2;
  await other.sendAll(["request", { command: "part", upload, offset }], ["data", bytes(1)], ["end", { size: 1 }]);
  assertEquals((await other.answer()).outcome, "ok");
  await host.send("error", { code: "Cancelled", message: "" });
  assertEquals((await host.answer()).outcome, "Cancelled");
  assertEquals(allNames(served.join()), []);
  // What a killed server leaves cannot be cut off.
  await Deno.writeFile(served.join(temporaryName("f")), CONTENT);
  await Deno.truncate(served.join(temporaryName("f")), 2 ** 43);
  const { fields } = await host.ask({ command: "offer", path: "f", size: SIZE });
  assertEquals((fields as { covered?: number }).covered, SIZE);
  const unknown = await host.ask({ command: "offer", path: "f" });
  const { covered = 0 } = unknown.fields as { covered?: number };
  assert(covered >= SIZE && covered < SIZE + MAX_DISK_BLOCK_BYTES, `${covered} of ${SIZE}`);
});

/** Whether the file system lets a file have a byte there. */
function canSeek(directory: string, offset: number): boolean {
  using file = Deno.createSync(`${directory}/probe`);
  try {
    return file.seekSync(offset, Deno.SeekMode.Start) === offset;
  } catch {
    return false;
  }
}

Deno.test("a part where no file can have a byte is TooLarge, and the upload goes on", async () => {
  await using served = await Served.with();
  await using dir = await tempDir();
  using peer = await RawPeer.greeted(served.address);
  using other = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "f", shared: true });
  const { upload } = (await peer.receive())?.value as { upload?: string };
  for (const offset of [2 ** 44, 2 ** 53 - 2]) {
    const wanted = canSeek(dir.path, offset) ? "ok" : "TooLarge";
    await other.sendAll(
      ["request", { command: "part", upload, offset }],
      ["data", new Uint8Array()],
      ["end", { size: 0 }],
    );
    assertEquals((await other.answer()).outcome, wanted);
  }
  await peer.sendAll(["data", new Uint8Array(5)], ["end", { size: 5 }]);
  assertEquals((await peer.answer()).outcome, "ok");
  await assertFile(served.join("f"), "\0".repeat(5));
});

Deno.test("a shared put without a size whose ranges leave a gap is no file, and is cut to its beginning", async () => {
  await using served = await Served.with();
  using host = await RawPeer.greeted(served.address);
  using other = await RawPeer.greeted(served.address);
  const content = bytes(15);
  await host.send("request", { command: "put", path: "f", shared: true });
  const { upload } = (await host.receive())?.value as { upload: string };
  for (const offset of [10, 0]) {
    const part = content.subarray(offset, offset + 5);
    await other.sendAll(["request", { command: "part", upload, offset }], ["data", part], ["end", { size: 5 }]);
    assertEquals((await other.answer()).outcome, "ok");
  }
  await host.send("end", { size: 0 });
  const { outcome, fields } = await host.answer();
  assertEquals(outcome, "BadRequest");
  assertStringIncludes(fields.message ?? "", "a gap after 5 bytes");
  assertEquals(allNames(served.join()), [temporaryName("f")]);
  await assertFile(served.join(temporaryName("f")), content.subarray(0, 5));
});

Deno.test("a partial file has the time at which it was left, whatever time the file was to have", async () => {
  await using dir = await tempDir();
  const storage = DirectoryStorage.open(dir.path);
  const upload = await storage.upload(at("f"), { mtimeMs: Date.UTC(2090, 0) });
  await upload.write(bytes(5));
  await Deno.mkdir(dir.join("f"));
  await assertFailsWith("IsADirectory", () => upload.commit());
  await upload.abort();
  const { mtime } = await Deno.stat(dir.join(temporaryName("f")));
  assert(Math.abs((mtime?.getTime() ?? 0) - Date.now()) < 60_000, String(mtime));
});

// Durable

Deno.test("a durable upload into a directory that cannot be synced leaves nothing under the name", async () => {
  await using served = await Served.with({ old: "old" });
  await using client = await served.connect();
  const original = Deno.open;
  Deno.open = (path, options) => {
    return path === served.join() ? Promise.reject(new Deno.errors.PermissionDenied("no")) : original(path, options);
  };
  try {
    for (const name of ["old", "new"]) {
      await failsWith(client.put(new Blob(["content"]).stream(), name, { durable: true }), "Refused");
    }
  } finally {
    Deno.open = original;
  }
  assertEquals(allNames(served.join()).filter((name) => !name.startsWith(".ferry-")), ["old"]);
  await assertFile(served.join("old"), "old");
  assertEquals((await client.put(new Blob(["content"]).stream(), "new", { durable: true })).durable, true);
  await assertFile(served.join("new"), "content");
});
