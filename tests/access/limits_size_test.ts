import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { statfsSync } from "node:fs";
import type { Limits } from "../../lib/access/limits.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { FreeSpace } from "../../lib/storage/directory/free_space.ts";
import { assertThrowsCode } from "../helpers/failures.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, failsWith, namesIn, RawPeer, Served } from "../helpers/raw.ts";
import { at, partOf } from "../helpers/storage.ts";
import { TempDir, tempDir } from "../helpers/temp.ts";

const MIB = 1024 * 1024;

const limited = (limits: Partial<Limits>, files = {}) => Served.with(files, { limits });

/** All names in the served directory, those of partial files among them. */
const allNames = ({ outer }: Served) => Array.from(Deno.readDirSync(outer.join("root")), ({ name }) => name);

/** A stream of `count` pieces. */
const streamOf = (piece: Uint8Array<ArrayBuffer>, count: number) =>
  ReadableStream.from((function* () {
    for (let i = 0; i < count; i++) yield piece;
  })());

// The size of a file

for (const size of [10, 3 * MIB]) {
  const words = `a file may have at most ${size} bytes here`;

  Deno.test(`put() stores exactly ${size} bytes where that is the limit, and no more`, async () => {
    await using dir = await tempDir();
    await using served = await limited({ fileBytes: size });
    await using client = await served.connect();
    await Deno.writeFile(dir.join("fits"), bytes(size));
    await Deno.writeFile(dir.join("large"), bytes(size + 1));
    await client.put(dir.join("fits"), "fits");
    await assertFile(served.join("fits"), bytes(size));
    const { message } = await failsWith(client.put(dir.join("large"), "large"), "TooLarge");
    assertEquals(message, `Cannot put "large": ${words}`);
    assertEquals(allNames(served), ["fits"]);
    await failsWith(client.put(dir.join("large"), "fits"), "TooLarge");
    await assertFile(served.join("fits"), bytes(size));
    const outcomes = served.events.of("command").map(({ command, path, outcome }) => `${command} ${path} ${outcome}`);
    // What is large is offered first.
    const [offered, refused] = size > MIB ? [["offer fits ok"], "offer"] : [[], "put"];
    assertEquals(outcomes, [...offered, "put fits ok", `${refused} large TooLarge`, `${refused} fits TooLarge`]);
  });

  Deno.test(`put() of a stream stores exactly ${size} bytes where that is the limit, and no more`, async () => {
    await using served = await limited({ fileBytes: size });
    await using client = await served.connect();
    await client.put(new Blob([bytes(size)]).stream(), "fits");
    await assertFile(served.join("fits"), bytes(size));
    const { message } = await failsWith(client.put(new Blob([bytes(size + 1)]).stream(), "large"), "TooLarge");
    assertStringIncludes(message, words);
    assertEquals(await namesIn(served.join()), ["fits"]);
    // What has arrived is kept for a later attempt, and is within the limit, too.
    for (const { size: kept } of allNames(served).map((name) => Deno.statSync(served.join(name)))) {
      assertLess(kept, size + 1);
    }
    assertEquals((await client.stat("fits")).size, size);
  });
}

Deno.test("serve() refuses a resumed put that is larger than the limit, and one that was kept", async () => {
  await using served = await limited({ fileBytes: 10 });
  const storage = DirectoryStorage.open(served.join());
  const before = await storage.upload(at("x"), { size: 20 });
  await before.write(bytes(15));
  await before.abort();
  using peer = await RawPeer.greeted(served.address);
  assertEquals((await peer.ask({ command: "offer", path: "x", size: 20 })).outcome, "TooLarge");
  const { fields } = await peer.ask({ command: "offer", path: "x", size: 10 });
  const { covered, kept } = fields as { covered: number; kept: string };
  assertEquals(covered, 10);
  for (const size of [20, undefined]) {
    const request = { command: "put", path: "x", size, offset: 15, kept };
    await peer.sendAll(["request", request], ["end", { size: 0 }]);
    assertEquals((await peer.answer()).outcome, "TooLarge");
  }
  assertEquals(await namesIn(served.join()), []);
  const request = { command: "put", path: "x", size: 10, offset: 8, kept };
  await peer.sendAll(["request", request], ["data", bytes(2)], ["end", { size: 2 }]);
  assertEquals((await peer.answer()).outcome, "ok");
  assertEquals(Deno.statSync(served.join("x")).size, 10);
});

for (
  const [what, announced, part, outcome] of [
    ["beyond the announced size", { size: 8 }, { offset: 4, length: 5 }, "BadRequest"],
    ["after the announced size", { size: 8 }, { offset: 9, length: 1 }, "BadRequest"],
    ["up to the announced size", { size: 8 }, { offset: 0, length: 8 }, "ok"],
    ["beyond the limit", {}, { offset: 4, length: 7 }, "TooLarge"],
    ["after the limit", {}, { offset: Number.MAX_SAFE_INTEGER - 8, length: 1 }, "TooLarge"],
    ["up to the limit", {}, { offset: 0, length: 10 }, "ok"],
  ] as const
) {
  Deno.test(`serve() answers ${outcome} to a part ${what}, and both sessions go on`, async () => {
    await using served = await limited({ fileBytes: 10 });
    using peer = await RawPeer.greeted(served.address);
    await peer.send("request", { command: "put", path: "x", shared: true, ...announced });
    const { upload } = (await peer.receive())?.value as { upload: string };
    using other = await RawPeer.greeted(served.address);
    const { offset, length } = part;
    await other.sendAll(["request", { command: "part", upload, offset }], ["data", bytes(length)], ["end", {
      size: length,
    }]);
    assertEquals((await other.answer()).outcome, outcome);
    if (outcome === "ok") await peer.send("end", { size: 0 });
    else await peer.send("error", { code: "Cancelled", message: "" });
    assertEquals((await peer.answer()).outcome, outcome === "ok" ? "ok" : "Cancelled");
    assertEquals(await namesIn(served.join()), outcome === "ok" ? ["x"] : []);
    for (const each of [peer, other]) assertEquals((await each.ask({ command: "stat" })).outcome, "ok");
  });
}

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

Deno.test("FreeSpace.require() allows what leaves enough, and never looks when nothing is kept", async () => {
  await using dir = await quietDir();
  const margin = 64 * MIB;
  const keeper = new FreeSpace(dir.path, freeIn(dir.path) - 2 * margin);
  keeper.require(margin);
  const { message } = assertThrowsCode("NoSpace", () => keeper.require(3 * margin));
  assertStringIncludes(message, "bytes of its disk free");
  new FreeSpace(dir.join("missing"), 0).require(ALL);
});

Deno.test("serve() refuses what would not leave enough of the disk free, before a byte is sent", async () => {
  await using dir = await tempDir();
  await Deno.writeFile(dir.join("large"), bytes(2 * MIB));
  await using served = await limited({ keepFreeBytes: ALL }, { "a.txt": "abc" });
  await using client = await served.connect();
  let sent = 0;
  const onProgress = (bytes: number) => void (sent = bytes);
  const { message } = await failsWith(client.put(dir.join("large"), "large", { onProgress }), "NoSpace");
  assertEquals(message, `Cannot put "large": the server keeps ${ALL} bytes of its disk free`);
  assertEquals(sent, 0);
  await failsWith(client.put(new Blob(["x"]).stream(), "small"), "NoSpace");
  await failsWith(client.put(new Blob(["x"]).stream(), "a.txt"), "NoSpace");
  assertEquals(allNames(served), ["a.txt"]);
  await assertFile(served.join("a.txt"), "abc");
  await client.mkdir("d");
  const outcomes = served.events.of("command").map(({ command, outcome }) => `${command} ${outcome}`);
  assertEquals(outcomes, ["offer NoSpace", "offer NoSpace", "offer NoSpace", "mkdir ok"]);
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

// Depth

Deno.test("serve() makes nothing deeper than the limit, and says so", async () => {
  await using served = await limited({ depth: 3 }, { "a/b/c": "abc", "a/b/d/e/f": "deep" });
  await using client = await served.connect();
  const words = "it is more than 3 directories deep, which is this server's limit";
  const refused: Record<string, () => Promise<unknown>> = {
    put: () => client.put(new Blob(["x"]).stream(), "a/b/d/x"),
    "make the directory": () => client.mkdir("a/b/d/x"),
    "make the directory ": () => client.mkdir("n/n/n/n", { parents: true }),
    rename: () => client.rename("a/b/c", "a/b/d/x"),
  };
  for (const [what, operation] of Object.entries(refused)) {
    const { message } = await failsWith(operation(), "InvalidPath");
    assertStringIncludes(message, words, what);
  }
  assertEquals(await namesIn(served.join()), ["a"]);
  assertEquals(await namesIn(served.join("a", "b", "d")), ["e"]);
  await client.put(new Blob(["x"]).stream(), "a/b/x");
  await client.mkdir("n/n/n", { parents: true });
  await client.rename("a/b/c", "n/n/c");
  // What is deep already can be read and taken away.
  assertEquals((await client.stat("a/b/d/e/f")).size, 4);
  await client.rename("a/b/d/e/f", "f");
  await client.remove("a/b/d/e");
  await assertFile(served.join("f"), "deep");
});
