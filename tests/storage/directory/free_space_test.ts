import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { statfsSync } from "node:fs";
import { DirectoryStorage } from "../../../lib/storage/directory/directory_storage.ts";
import { requireSpace } from "../../../lib/storage/directory/disk_space.ts";
import { assertThrowsCode } from "../../helpers/failures.ts";
import { failsWith, namesIn, Served } from "../../helpers/raw.ts";
import { at, partOf } from "../../helpers/storage.ts";
import { TempDir, tempDir } from "../../helpers/temp.ts";

const MIB = 1024 * 1024;

/** A stream of `count` pieces. */
const streamOf = (piece: Uint8Array<ArrayBuffer>, count: number) =>
  ReadableStream.from((function* () {
    for (let i = 0; i < count; i++) yield piece;
  })());

// Free space

/** More than any disk has. */
const ALL = Number.MAX_SAFE_INTEGER;

function freeIn(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** An empty directory on a disk that others use little, where there is one. */
async function quietDir(): Promise<TempDir> {
  try {
    return new TempDir(await Deno.makeTempDir({ prefix: "ferry-test-", dir: "/dev/shm" }));
  } catch {
    return await tempDir();
  }
}

Deno.test("requireSpace() allows what leaves enough, and never looks when nothing is kept", async () => {
  await using dir = await quietDir();
  const margin = 64 * MIB;
  const keepFree = freeIn(dir.path) - 2 * margin;
  requireSpace(dir.path, margin, keepFree);
  const { message } = assertThrowsCode("NoSpace", () => requireSpace(dir.path, 3 * margin, keepFree));
  assertStringIncludes(message, "bytes of its disk free");
  requireSpace(dir.join("missing"), ALL, 0);
});

Deno.test("DirectoryStorage.space() is what the system says of its disk", async () => {
  await using dir = await quietDir();
  const { blocks, bsize } = statfsSync(dir.path);
  const { free, total } = await DirectoryStorage.open(dir.path).space();
  assertEquals(total, blocks * bsize);
  assertLess(Math.abs(free - freeIn(dir.path)), 64 * MIB);
});

Deno.test("DirectoryUpload stops when the disk fills up in the middle, and the next succeeds when there is room", async () => {
  await using dir = await quietDir();
  const storage = DirectoryStorage.open(dir.path);
  const margin = 12 * MIB;
  const keepFree = freeIn(dir.path) - margin;
  await using served = await Served.with({}, { root: storage, limits: { keepFreeBytes: keepFree } });
  await using client = await served.connect();
  let sent = 0;
  const onProgress = (bytes: number) => void (sent = bytes);
  const zeros = new Uint8Array(MIB);
  await failsWith(client.put(streamOf(zeros, 16), "x", { onProgress }), "NoSpace");
  assertGreater(sent, margin / 4);
  // Nothing more than what others have written meanwhile.
  assertGreater(freeIn(dir.path), keepFree - margin / 4);
  assertEquals(await namesIn(dir.path), []);
  for (const { name } of Deno.readDirSync(dir.path)) Deno.removeSync(dir.join(name));
  await client.put(streamOf(zeros, 4), "x");
  assertEquals(Deno.statSync(dir.join("x")).size, 4 * MIB);
});

Deno.test("DirectoryUpload stores what fits exactly, large as it is", async () => {
  await using dir = await quietDir();
  const storage = DirectoryStorage.open(dir.path);
  const size = 48 * MIB;
  // Room for what others do meanwhile, and less than would be refused if what is written already were counted twice.
  const upload = await storage.upload(at("x"), { size, keepFree: freeIn(dir.path) - size - 8 * MIB });
  for (let written = 0; written < size; written += MIB) await upload.write(new Uint8Array(MIB));
  assertEquals((await upload.commit()).size, size);
});

Deno.test("DirectoryUpload counts what was kept as written, and looks for parts, too", async () => {
  await using dir = await quietDir();
  const storage = DirectoryStorage.open(dir.path);
  const first = await storage.upload(at("x"), { size: 16 * MIB });
  await first.write(new Uint8Array(16 * MIB - 10));
  await first.abort();
  const keepFree = freeIn(dir.path) - 8 * MIB;
  const offset = 16 * MIB - 10;
  const { state: kept } = await storage.offer(at("x"), { size: 16 * MIB, keepFree });
  const again = await storage.upload(at("x"), { size: 16 * MIB, keepFree, offset, kept });
  await again.write(new Uint8Array(10));
  assertEquals((await again.commit()).size, 16 * MIB);
  const shared = await storage.upload(at("y"), { keepFree });
  const part = await partOf(shared, 0);
  let error: unknown;
  try {
    for (let i = 0; i < 64; i++) await part.write(new Uint8Array(MIB));
  } catch (caught) {
    error = caught;
  } finally {
    part.close();
    await shared.abort();
  }
  assert(error instanceof Error && "code" in error);
  assertEquals(error.code, "NoSpace");
});
