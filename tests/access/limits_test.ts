import { assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import type { Limits } from "../../lib/access/limits.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, failsWith, namesIn, RawPeer, Served } from "../helpers/raw.ts";
import { at } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

const MIB = 1024 * 1024;

const limited = (limits: Partial<Limits>, files = {}) => Served.with(files, { limits });

/** All names in the served directory, those of partial files among them. */
const allNames = ({ outer }: Served) => Array.from(Deno.readDirSync(outer.join("root")), ({ name }) => name);

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
