import { assert, assertEquals, assertLess } from "@std/assert";
import type { ServeOptions } from "../../lib/mod.ts";
import { copyFile, type CopyOptions } from "../../lib/transfer/copy.ts";
import { readToStream } from "../../lib/transfer/streams.ts";
import { parseRemotePath } from "../../lib/core/remote_path.ts";
import { localSource, localTarget } from "../../lib/transfer/local.ts";
import type { Place } from "../../lib/transfer/place.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { Appender } from "../helpers/appender.ts";
import { assertFailsWith } from "../helpers/failures.ts";
import { concat, sameBytes } from "../helpers/frames.ts";
import { MemoryStorage } from "../helpers/memory_storage.ts";
import { bytes } from "../helpers/random.ts";
import { Served, within } from "../helpers/raw.ts";
import { allNames, type Direction, DIRECTIONS, MIB, Resuming } from "../helpers/resuming.ts";
import { at, contentOf, replacing } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

/** What a copy of `f` has told of a source that grew, and the content and time of both files afterwards. */
interface Grown {
  readonly sizes: readonly number[];
  readonly source: Uint8Array;
  readonly target: Uint8Array;
  readonly mtimes: readonly (Date | null)[];
  /** The names beside the target. */
  readonly names: readonly string[];
}

/** What happens to the source. */
interface Work {
  /** Begins what goes on all the time. */
  readonly work?: (path: string) => Promise<AsyncDisposable>;
  /** Happens whenever the source was opened. */
  readonly opened?: (path: string) => void;
  readonly serve?: Partial<ServeOptions>;
}

function withOperations(place: Place, operations: (storage: Storage) => Partial<Storage>): Place {
  return { ...place, storage: replacing(place.storage, operations(place.storage)) };
}

/** Copies a file with a server at one end while something happens to the source. */
async function copied(
  direction: Direction,
  content: Uint8Array,
  { work, opened, serve, ...options }: CopyOptions & Work,
): Promise<Grown> {
  let path = "";
  const operations = (storage: Storage): Partial<Storage> => ({
    async read(...args) {
      const reader = await storage.read(...args);
      opened?.(path);
      return reader;
    },
  });
  await using served = await Served.with({}, serve, direction === "get" ? operations : undefined);
  await using local = await tempDir();
  const [source, target] = direction === "get" ? [served, local] : [local, served];
  path = source.join("f");
  await Deno.writeFile(path, content);
  await Deno.utime(path, 1_700_000_000, 1_700_000_000);
  await using client = await served.connect(options.connections ? { connections: options.connections } : {});
  const there = { storage: client.storage, path: at("f"), shown: "f" };
  const ends: [Place, Place] = direction === "get"
    ? [there, localTarget(local.join("f"))]
    : [withOperations(localSource(path), operations), there];
  const sizes: number[] = [];
  const all = { verb: direction, onGrown: (size: number) => void sizes.push(size), ...options };
  {
    await using _work = await work?.(path);
    assertEquals(await within(copyFile(...ends, all), `the end of the ${direction}`, 20_000), "done");
  }
  const to = target.join("f");
  return {
    sizes,
    source: await Deno.readFile(path),
    target: await Deno.readFile(to),
    mtimes: [(await Deno.stat(path)).mtime, (await Deno.stat(to)).mtime],
    names: allNames(direction === "get" ? local.path : served.join()),
  };
}

/** Fails unless the target is the source as it was when it was longer than `least` bytes. */
function assertAsAtTheStart({ sizes, source, target, mtimes, names }: Grown, least: number): void {
  assertEquals(sizes, [target.length]);
  assert(target.length >= least && target.length < source.length, `${target.length} of ${source.length} bytes`);
  assert(sameBytes(target, source.subarray(0, target.length)), "it is no beginning of the source");
  const [later, earlier] = mtimes;
  assertLess(earlier?.getTime() ?? NaN, later?.getTime() ?? NaN);
  assertEquals(names, ["f"]);
}

const LOG = bytes(24 * MIB + 12_345, 1);

/** How a file is sent while it grows all the time. */
const WAYS: Record<string, { options: CopyOptions; content?: Uint8Array }> = {
  "over one connection": { options: {} },
  "in ranges": { options: { connections: 3 }, content: bytes(70_000_000, 2) },
  "without resume": { options: { resume: false } },
  "and compared afterwards": { options: { verify: true } },
};

for (const direction of DIRECTIONS) {
  for (const [way, { options, content = LOG }] of Object.entries(WAYS)) {
    Deno.test(`${direction} of a log ${way} delivers it as it was at the start, however often it grows`, async () => {
      const grown = await copied(direction, content, { ...options, work: (path) => Appender.to(path) });
      assertAsAtTheStart(grown, content.length);
    });
  }
}

/** Something that happens to the source once, when so many bytes were moved. */
function once(after: number, happen: () => void): (moved: number) => void {
  let hasHappened = false;
  return (moved) => {
    if (hasHappened || moved < after) return;
    hasHappened = true;
    happen();
  };
}

Deno.test("put of a log into a drop box delivers it as it was at the start", async () => {
  const serve = { uploadOnly: true };
  const grown = await copied("put", LOG, { serve, mayLook: false, work: (path) => Appender.to(path) });
  assertAsAtTheStart(grown, LOG.length);
});

for (const direction of DIRECTIONS) {
  Deno.test(`${direction} of a log goes on with what was kept of an earlier attempt`, async () => {
    const scene = await Resuming.of(direction, LOG, LOG.subarray(0, 9 * MIB + 5));
    await using _scene = scene;
    {
      await using _appender = await Appender.to(scene.source);
      assertLess(await scene.transferred(), LOG.length);
    }
    const [source, target] = [await Deno.readFile(scene.source), await Deno.readFile(scene.target)];
    assert(target.length >= LOG.length && sameBytes(target, source.subarray(0, target.length)));
  });

  Deno.test(`${direction} of a small file that grows in each attempt delivers it as it was at the start`, async () => {
    const content = bytes(99_999, 3);
    const grown = await copied(direction, content, {
      known: { size: content.length, mtimeMs: 0, mode: undefined },
      opened: (path) => Deno.writeTextFileSync(path, "one more line\n", { append: true }),
    });
    assertEquals(grown.target.length, content.length);
    assertAsAtTheStart(grown, content.length);
  });

  Deno.test(`${direction} of a file that grows and is changed where it has arrived gives the new one`, async () => {
    await using scene = await Resuming.of(direction, LARGE);
    await using client = await scene.served.connect();
    await scene.transfer(client, { onProgress: once(10 * MIB, () => changeAndGrow(scene.source, 5)) });
    await scene.assertDone(await Deno.readFile(scene.source));
  });

  Deno.test(`${direction} of a file that grows and is changed where it was not yet read gives no mixture`, async () => {
    await using scene = await Resuming.of(direction, LARGE);
    await using client = await scene.served.connect();
    await scene.transfer(client, { onProgress: once(1, () => changeAndGrow(scene.source, LARGE.length - 5)) });
    const [source, target] = [await Deno.readFile(scene.source), await Deno.readFile(scene.target)];
    assert(sameBytes(target, source.subarray(0, LARGE.length)));
  });
}

/** Writes in the middle of a file and at its end. */
function changeAndGrow(path: string, position: number): void {
  using file = Deno.openSync(path, { write: true });
  for (const [at, mode] of [[position, Deno.SeekMode.Start], [0, Deno.SeekMode.End]] as const) {
    file.seekSync(at, mode);
    file.writeSync(new TextEncoder().encode("else"));
  }
}

/** More than the system's socket buffers hold. */
const LARGE = bytes(40 * MIB, 4);

Deno.test("copyFile() between places that keep nothing delivers a log as it was at the start", async () => {
  const [source, target] = [new MemoryStorage(), new MemoryStorage()];
  const content = bytes(2 * MIB + 9, 5);
  source.set("f", content, { mtimeMs: 1 });
  const grow = () => source.set("f", concat(content, bytes(50, 6)), { mtimeMs: 2 });
  const sizes: number[] = [];
  const place = (storage: MemoryStorage) => ({ storage, path: at("f"), shown: "f" });
  const onProgress = once(MIB, grow);
  const onGrown = (size: number) => void sizes.push(size);
  assertEquals(await copyFile(place(source), place(target), { onProgress, onGrown }), "done");
  assert(sameBytes(await contentOf(target, "f"), content));
  assertEquals([sizes, (await target.stat(at("f"))).mtimeMs], [[content.length], 1]);
});

Deno.test("copyFile() of a file that grew, and is changed while it is compared, gives the new one", async () => {
  await using dir = await tempDir();
  const path = dir.join("f");
  await Deno.writeFile(path, LARGE);
  const target = new MemoryStorage();
  let attempt = 0;
  const onProgress = (moved: number) => {
    if (moved === 0) attempt++;
    if (moved !== 10 * MIB) return;
    if (attempt === 1) Deno.writeTextFileSync(path, "one more line\n", { append: true });
    if (attempt === 2) changeAndGrow(path, 5);
  };
  const onGrown = () => {
    throw new Error("it did not only grow");
  };
  await copyFile(localSource(path), { storage: target, path: at("f"), shown: "f" }, { onProgress, onGrown });
  assertEquals(attempt, 3);
  assert(sameBytes(await contentOf(target, "f"), await Deno.readFile(path)));
});

/** What a stream gets of `f` of a server, while something happens to it in `onProgress`. */
async function streamed(
  content: Uint8Array,
  happen: (path: string) => void,
  at: number,
): Promise<[Uint8Array, number[]]> {
  await using served = await Served.with({ "f": content });
  await Deno.utime(served.join("f"), 1_700_000_000, 1_700_000_000);
  await using client = await served.connect();
  const [pieces, sizes]: [Uint8Array[], number[]] = [[], []];
  const stream = new WritableStream<Uint8Array>({ write: (bytes) => void pieces.push(bytes) });
  const options = {
    onProgress: once(at, () => happen(served.join("f"))),
    onGrown: (size: number) => void sizes.push(size),
  };
  await readToStream({ storage: client.storage, path: parseRemotePath("f"), shown: "f" }, stream, options);
  return [concat(...pieces), sizes];
}

Deno.test("readToStream() of a log gives it as it was at the start", async () => {
  const grow = (path: string) => Deno.writeTextFileSync(path, "one more line\n", { append: true });
  const [found, sizes] = await streamed(LARGE, grow, MIB);
  assert(sameBytes(found, LARGE));
  assertEquals(sizes, [LARGE.length]);
});

Deno.test("readToStream() of a file that is changed where it was read fails with Changed", async () => {
  for (
    const change of [(path: string) => changeAndGrow(path, 5), (path: string) => Deno.truncateSync(path, 39 * MIB)]
  ) {
    await assertFailsWith("Changed", () => streamed(LARGE, change, MIB));
  }
});
