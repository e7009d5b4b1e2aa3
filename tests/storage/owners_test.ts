import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { Client, ServeOptions } from "../../lib/mod.ts";
import { ownerOf, Secret } from "../../lib/auth/secret.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { TEMPORARY_NAME, TemporaryFile, temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, namesIn, RawPeer, Served } from "../helpers/raw.ts";
import { CONTENT, flipped, MIB } from "../helpers/resuming.ts";
import { at } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

const SECRETS = { full: Secret.create(), read: Secret.create(), upload: Secret.create() };
const WITH_SECRETS: Partial<ServeOptions> = { secret: SECRETS };

/** Begins an upload and gives it up, so that this much of it is kept. */
async function leave(client: Client, path: string, content: Uint8Array): Promise<void> {
  let sent = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent === content.length) return controller.error(new Error("the source failed"));
      controller.enqueue(content.subarray(sent, sent += Math.min(MIB, content.length - sent)));
    },
  }, { highWaterMark: 0 });
  await client.put(source, path).then(() => {
    throw new Error("the upload was not given up");
  }, () => {});
  // With this answer it is known that the server is done with it.
  await client.say("done");
}

/** Names of all partial files in a served directory. */
function partials(served: Served): string[] {
  return Array.from(Deno.readDirSync(served.join()), ({ name }) => name).filter((name) => TEMPORARY_NAME.test(name))
    .sort();
}

/** Puts a file. @returns How many bytes of content travelled. */
async function travelled(served: Served, client: Client, content: Uint8Array, path: string): Promise<number> {
  await using local = await tempDir();
  await Deno.writeFile(local.join("f"), content);
  await client.put(local.join("f"), path);
  const puts = served.events.of("command").filter(({ command }) => command === "put");
  return puts.at(-1)?.bytes ?? NaN;
}

Deno.test("what another owner has left is neither gone on with nor changed, whatever is in it", async () => {
  await using served = await Served.with({}, WITH_SECRETS);
  await using dropBox = await served.connect({ secret: SECRETS.upload });
  await using full = await served.connect({ secret: SECRETS.full });
  const forged = flipped(CONTENT.subarray(0, 2 * MIB), 7);
  await leave(dropBox, "release.iso", forged);
  const [left = "", ...others] = partials(served);
  assertEquals(others, []);
  const before = await Deno.stat(served.join(left));
  assertEquals(await travelled(served, full, CONTENT, "release.iso"), CONTENT.length);
  await assertFile(served.join("release.iso"), CONTENT);
  const after = await Deno.stat(served.join(left));
  assertEquals([after.ino, after.mtime], [before.ino, before.mtime]);
  await assertFile(served.join(left), forged);
});

Deno.test("each owner goes on with what it has left itself, a drop box too, also on another server", async () => {
  await using dir = await tempDir();
  const options = { ...WITH_SECRETS, root: dir.path };
  {
    await using served = await Served.with({}, options);
    await using dropBox = await served.connect({ secret: SECRETS.upload });
    await using full = await served.connect({ secret: SECRETS.full });
    await leave(dropBox, "film", CONTENT.subarray(0, MIB));
    await leave(full, "film", CONTENT.subarray(0, 2 * MIB));
  }
  await using served = await Served.with({}, options);
  await using dropBox = await served.connect({ secret: SECRETS.upload });
  await using full = await served.connect({ secret: SECRETS.full });
  assertEquals(await travelled(served, dropBox, CONTENT, "film"), CONTENT.length - MIB);
  assertEquals(await travelled(served, full, CONTENT, "film"), CONTENT.length - 2 * MIB);
  assertEquals(Array.from(Deno.readDirSync(dir.path), ({ name }) => name), ["film"]);
});

Deno.test("a secret that is another one goes on with nothing", async () => {
  await using dir = await tempDir();
  for (const secret of [Secret.create(), Secret.create()]) {
    await using served = await Served.with({}, { secret, root: dir.path });
    await using client = await served.connect({ secret });
    await leave(client, "film", CONTENT.subarray(0, MIB));
    const names = Array.from(Deno.readDirSync(dir.path), ({ name }) => name);
    if (names.length === 1) continue;
    assertEquals(names.length, 2);
    assertEquals(await travelled(served, client, CONTENT, "film"), CONTENT.length - MIB);
  }
});

Deno.test("two owners upload one name at once, and neither is Busy or gets bytes of the other", async () => {
  await using served = await Served.with({}, WITH_SECRETS);
  await using dropBox = await served.connect({ secret: SECRETS.upload });
  await using full = await served.connect({ secret: SECRETS.full });
  const [first, second] = [bytes(3 * MIB, 1), bytes(3 * MIB, 2)];
  const lines = [first, second].map(() => new TransformStream<Uint8Array, Uint8Array>());
  const writers = lines.map(({ writable }) => writable.getWriter());
  const puts = lines.map(({ readable }, i) => (i === 0 ? dropBox : full).put(readable, "f"));
  for (let offset = 0; offset < 3 * MIB; offset += MIB) {
    for (const [i, content] of [first, second].entries()) {
      await writers[i]?.write(content.subarray(offset, offset + MIB));
    }
  }
  await writers[0]?.close();
  await puts[0];
  await assertFile(served.join("f"), first);
  await writers[1]?.close();
  await puts[1];
  await assertFile(served.join("f"), second);
  assertEquals(partials(served), []);
});

Deno.test("temporaryName() is another one for every owner and name, however they are put together", () => {
  const pairs = [["f", ""], ["f", "a"], ["af", ""], ["1 f", ""], ["f", "1 "], ["f", "aa"], ["af", "a"], ["", "af"]];
  const names = pairs.map(([name = "", owner]) => temporaryName(name, owner));
  assertEquals(new Set(names).size, pairs.length);
  for (const name of names) assert(TEMPORARY_NAME.test(name), name);
  assertEquals(temporaryName("f"), temporaryName("f", ""));
});

Deno.test("ownerOf() is the same for the same secret, another for another, and no part of it", () => {
  const secret = Secret.create();
  assertEquals(ownerOf(secret), ownerOf(Secret.fromBytes(secret.bytes)));
  assertNotEquals(ownerOf(secret), ownerOf(Secret.create()));
  assert(!ownerOf(secret).includes(secret.bytes.toHex()) && !ownerOf(secret).includes(secret.text));
});

/** Leaves a partial file of a byte for each of so many names of an owner. */
async function flood(storage: DirectoryStorage, owner: string, count: number, from = 0, within = ""): Promise<void> {
  for (let i = from; i < from + count; i++) {
    const upload = await storage.upload(at(`${within}${i}`), { owner });
    await upload.write(Uint8Array.of(1));
    await upload.abort();
  }
}

Deno.test("an owner leaves at most 1,000 partial files, of which the oldest go, and only its own", async () => {
  await using dir = await tempDir();
  const storage = DirectoryStorage.open(dir.path);
  const isThere = (name: string, owner: string) => {
    try {
      return Deno.lstatSync(dir.join(temporaryName(name, owner))).isFile;
    } catch {
      return false;
    }
  };
  await flood(storage, "other", 3);
  await flood(storage, "own", 1000);
  // What is left again is not the oldest any more; what was stored is not counted.
  await flood(storage, "own", 1, 0);
  await (await storage.upload(at("1"), { owner: "own" })).commit();
  // One is being written, and one is another file by now.
  const busy = TemporaryFile.open(dir.path, "2", "own");
  Deno.renameSync(dir.join(temporaryName("3", "own")), dir.join("moved"));
  Deno.writeTextFileSync(dir.join(temporaryName("3", "own")), "somebody else's");
  await flood(storage, "own", 4, 1000);
  busy.file.close();
  const left = ["0", "1", "2", "3", "4", "5", "1003"].filter((name) => isThere(name, "own"));
  assertEquals(left, ["0", "2", "3", "5", "1003"]);
  for (const name of ["0", "1", "2"]) assert(isThere(name, "other"), name);
  assertEquals(await namesIn(dir.path), ["1", "moved"]);
});

Deno.test("a flood of small uploads that are given up leaves at most 1,000 partial files", async () => {
  await using served = await Served.with({}, { uploadOnly: true });
  using host = await RawPeer.greeted(served.address);
  using other = await RawPeer.greeted(served.address);
  for (let i = 0; i < 1100; i++) {
    await host.send("request", { command: "put", path: `${i}`, shared: true });
    const { upload } = (await host.receive())?.value as { upload: string };
    const part = { command: "part", upload, offset: 0 };
    await other.sendAll(["request", part], ["data", Uint8Array.of(1)], ["end", { size: 1 }]);
    assertEquals((await other.answer()).outcome, "ok");
    await host.send("error", { code: "Cancelled", message: "" });
    assertEquals((await host.answer()).outcome, "Cancelled");
  }
  assertEquals(partials(served).length, 1000);
});

Deno.test("the bound of partial files holds when directories above them are renamed, and the oldest still go", async () => {
  await using dir = await tempDir();
  const storage = DirectoryStorage.open(dir.path);
  const own = "own";
  for (const path of ["a/b", "a-b"]) await storage.mkdir(at(path), { parents: true });
  await flood(storage, own, 2, 0, "a/b/");
  await flood(storage, own, 2, 2, "a-b/");
  await flood(storage, own, 996, 4, "a/");
  await storage.rename(at("a"), at("c"));
  await storage.rename(at("c/b"), at("c/e"));
  await storage.rename(at("c/e"), at("c/d"));
  // One that is left again at its new place is the same one, and the youngest.
  await flood(storage, own, 1, 0, "c/d/");
  await flood(storage, own, 4, 1000);
  const left = (path: string) => Array.from(Deno.readDirSync(dir.join(path)), ({ name }) => name);
  const partialsIn = (path: string) => left(path).filter((name) => TEMPORARY_NAME.test(name)).sort();
  const partialsOf = (...numbers: number[]) => numbers.map((each) => temporaryName(`${each}`, own)).sort();
  assertEquals(partialsIn("."), partialsOf(1000, 1001, 1002, 1003));
  assertEquals(partialsIn("c/d"), partialsOf(0));
  assertEquals(partialsIn("a-b"), []);
  assertEquals(partialsIn("c"), partialsOf(...Array.from({ length: 995 }, (_, i) => 5 + i)));
});
