import { assert, assertEquals } from "@std/assert";
import { DirectoryStorage } from "../../../lib/storage/directory/directory_storage.ts";
import { TEMPORARY_NAME, TemporaryFile, temporaryName } from "../../../lib/storage/directory/temporary_file.ts";
import { namesIn, RawPeer, Served } from "../../helpers/raw.ts";
import { at } from "../../helpers/storage.ts";
import { tempDir } from "../../helpers/temp.ts";

/** Names of all partial files in a served directory. */
function partials(served: Served): string[] {
  return Array.from(Deno.readDirSync(served.join()), ({ name }) => name).filter((name) => TEMPORARY_NAME.test(name))
    .sort();
}

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
