import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FerryError } from "../../../lib/core/errors.ts";
import type { Storage, Upload } from "../../../lib/storage/storage.ts";
import { FaultProxy } from "../../helpers/proxy.ts";
import { bytes } from "../../helpers/random.ts";
import { Served } from "../../helpers/raw.ts";
import { DIRECTIONS, MIB, Resuming } from "../../helpers/resuming.ts";
import { tempDir } from "../../helpers/temp.ts";
import { type Ran, runCommand } from "../../helpers/trees.ts";

const CONTENT = bytes(8 * MIB, 1);

/** Runs a command with the file `f` of a scene. */
function run(scene: Resuming, words: string, { address = scene.served.address, signal }: {
  address?: Served["address"];
  signal?: AbortSignal;
} = {}): Promise<Ran> {
  return runCommand(address, scene.local.path, [scene.direction, ...words.split(" ")], signal);
}

/** What calls `act` once when so many bytes of an upload were written, or of a file read. */
function after(most: number, act: () => void): (storage: Storage) => Partial<Storage> {
  let moved = 0;
  const count = (n: number | null) => {
    const before = moved;
    moved += n ?? 0;
    if (before < most && moved >= most) act();
    return n;
  };
  return (storage) => ({
    async read(path, options) {
      const reader = await storage.read(path, options);
      const read = async (into: Uint8Array) => count(await reader.read(into));
      return { metadata: reader.metadata, length: reader.length, read, close: () => reader.close() };
    },
    async upload(path, options): Promise<Upload> {
      const upload = await storage.upload(path, options);
      const write = async (bytes: Uint8Array) => {
        await upload.write(bytes);
        count(bytes.length);
      };
      return { write, commit: () => upload.commit(), abort: () => upload.abort() };
    },
  });
}

for (const direction of DIRECTIONS) {
  Deno.test(`${direction} counts only what moved now, and says what was there already`, async () => {
    await using scene = await Resuming.of(direction, CONTENT, CONTENT.subarray(0, 6 * MIB));
    assertMatch((await run(scene, "f")).news, /\(2\.1 MB in [^,]+, 6\.3 MB were there already\)\.$/);
    await using wrong = await Resuming.of(direction, CONTENT, bytes(6 * MIB, 2));
    assertMatch((await run(wrong, "f")).news, /\(8\.4 MB in [^,]+\)\.$/);
  });

  Deno.test(`${direction} that is interrupted says how much was kept`, async () => {
    const stop = new AbortController();
    // More than the system's socket buffers hold.
    const [content, operations] = [bytes(48 * MIB, 3), after(40 * MIB, () => stop.abort())];
    await using scene = await Resuming.of(direction, content, undefined, {}, operations);
    const { code, news } = await run(scene, "f", { signal: stop.signal });
    assertEquals(code, 130, news);
    const kept = (scene.partialBytes / 1e6).toFixed(1).replace(/\.0$/, "");
    assertMatch(news, / \([\d.]+ MB kept; run the same command to resume\)$/m);
    assertStringIncludes(news, ` (${kept} MB kept;`);
  });

  Deno.test(`${direction} that lost its connection for good says that something was kept`, async () => {
    await using scene = await Resuming.of(direction, CONTENT);
    const way = direction === "get" ? "toClient" : "toServer";
    await using proxy = await FaultProxy.to(scene.served.address, { [way]: { cut: { after: 5 * MIB, by: "reset" } } });
    const { code, news } = await run(scene, "--retry-for 0 f", { address: proxy.address });
    assertEquals(code, 3, news);
    const what = direction === "get" ? "[\\d.]+ MB kept" : "what has arrived is kept";
    assertMatch(news, new RegExp(` \\(${what}; run the same command to resume\\)$`, "m"));
  });

  Deno.test(`${direction} that failed before anything was sent says nothing of what was kept`, async () => {
    await using scene = await Resuming.of(direction, CONTENT);
    const { code, news } = await run(scene, "none");
    assertEquals(code, 5);
    assertEquals(news.includes("kept"), false, news);
  });

  Deno.test(`${direction} --no-clobber says whether what is there is different`, async () => {
    await using scene = await Resuming.of(direction, CONTENT.subarray(0, 1000));
    const there: [Uint8Array, string][] = [
      [CONTENT.subarray(0, 1000), '"f" exists already.'],
      [bytes(1000, 2), '"f" exists, and is different.'],
      [new Uint8Array(5), '"f" exists, and is different.'],
    ];
    for (const [content, words] of there) {
      await Deno.writeFile(scene.target, content);
      const { news } = await run(scene, "--no-clobber f");
      assertMatch(news, /^Skipped "/);
      assertStringIncludes(news.replace(scene.local.join("f"), "f"), words);
    }
  });
}

Deno.test("get of a file that grows says that it is as it was at the start", async () => {
  const operations = (storage: Storage): Partial<Storage> => ({
    async read(path, options) {
      const reader = await storage.read(path, options);
      await Deno.writeTextFile(scene.source, "one more line\n", { append: true });
      return reader;
    },
  });
  await using scene: Resuming = await Resuming.of("get", CONTENT, undefined, {}, operations);
  const { code, news } = await run(scene, "f");
  assertEquals(code, 0);
  const words = "It grew while it was sent; delivered as it was at the start, 8,388,608 bytes.";
  assertMatch(news, new RegExp(`^Got "f" as "[^"]+" \\(8\\.4 MB in .+\\)\\. ${words}$`));
  assertEquals((await Deno.stat(scene.target)).size, CONTENT.length);
});

Deno.test("get -r of a tree with a file that grows delivers it, and says so", async () => {
  const operations = (storage: Storage): Partial<Storage> => ({
    async read(path, options) {
      const reader = await storage.read(path, options);
      if (path === "t/log") await Deno.writeTextFile(served.join("t/log"), "one more line\n", { append: true });
      return reader;
    },
  });
  await using served: Served = await Served.with({ "t/log": "a line\n", "t/other": "x" }, {}, operations);
  await using local = await tempDir();
  const { code, news } = await runCommand(served.address, local.path, ["get", "-r", "t", "."]);
  assertEquals(code, 0, news);
  assertMatch(news, /^"t\/log" grew while it was sent; delivered as it was at the start, 7 bytes\.$/m);
  assertMatch(news, /^Got 2 files \(8 B in [^,]+\)\.$/m);
  assertEquals(await Deno.readTextFile(local.join("t", "log")), "a line\n");
});

Deno.test("get -r of a listing that ends with an error says what was done before", async () => {
  const operations = (storage: Storage): Partial<Storage> => ({
    async *list(path, options) {
      yield* storage.list(path, options);
      throw new FerryError("InvalidPath", "the path is too long");
    },
  });
  const files = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`t/file ${i}`, "1"]));
  await using served = await Served.with(files, {}, operations);
  await using local = await tempDir();
  const { code, news } = await runCommand(served.address, local.path, ["get", "-r", "t", "."]);
  assertEquals(code, 1, news);
  const [, done] = /^Got (\d+) files \(.+\)\.\nCannot list "t": the path is too long$/.exec(news) ?? [];
  assertEquals(Array.from(Deno.readDirSync(local.join("t"))).length, Number(done), news);
});

Deno.test("get -r that is interrupted says how many files are there, and what to do", async () => {
  const stop = new AbortController();
  await using served = await Served.with(
    { "t/a": "1", "t/b": bytes(48 * MIB, 4) },
    {},
    after(40 * MIB, () => stop.abort()),
  );
  await using local = await tempDir();
  const { code, news } = await runCommand(served.address, local.path, ["get", "-r", "t", "."], stop.signal);
  assertEquals(code, 130, news);
  assertMatch(news, / \(1 file done; run the same command to resume\)$/);
});
