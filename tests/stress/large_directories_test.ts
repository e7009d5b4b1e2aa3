import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import { Hog } from "../helpers/hog.ts";
import { serveTemp } from "../helpers/served.ts";
import { at, entriesOf, namesOf, namesOnDisk } from "../helpers/storage.ts";
import { takeTurn } from "../../lib/transport/scheduler.ts";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { makeFiles } from "../helpers/many_files.ts";

Deno.test("DirectoryStorage.list() gives all names in order where there is memory for few of them", async () => {
  await using served = await serveTemp();
  const names = makeFiles(served.inside("d"), 10_000);
  makeFiles(served.inside("d", names[5000] + "+"), 6000);
  const all = await namesOf(served.storage, "d", true);
  assertEquals(all.length, 16_001);
  using _hog = new Hog();
  assertEquals(await namesOf(served.storage, "d"), all.filter((path) => !path.includes("/")));
  assertEquals(await namesOf(served.storage, "d", true), all);
});

Deno.test("DirectoryStorage.list() of a large directory holds up nobody for long", async () => {
  await using served = await serveTemp();
  makeFiles(served.root, 30_000);
  let longest = 0;
  let running = true;
  const watching = (async () => {
    for (let last = performance.now(); running; last = performance.now()) {
      await setImmediate();
      longest = Math.max(longest, performance.now() - last);
    }
  })();
  const best = { longest: Infinity };
  for (let i = 0; i < 5; i++) {
    longest = 0;
    assertEquals((await namesOf(served.storage)).length, 30_000);
    best.longest = Math.min(best.longest, longest);
  }
  running = false;
  await watching;
  // To read it at once takes some 60 ms, and to divide its names once 10 more.
  assertLess(best.longest, 40);
});

Deno.test("DirectoryStorage.remove() of a large directory removes all in it, and holds up nobody", async () => {
  await using served = await serveTemp();
  Deno.mkdirSync(served.inside("top"));
  for (let i = 0; i < 10_000; i++) Deno.writeTextFileSync(served.inside("top", `a name with a number ${i}`), "");
  Deno.symlinkSync("../../root-outside", served.inside("top", "link"));
  let turns = 0;
  let running = true;
  const counting = (async () => {
    for (; running; turns++) await setImmediate();
  })();
  await served.storage.remove(at("top"), { recursive: true });
  running = false;
  await counting;
  assertGreater(turns, 100);
  assertEquals(namesOnDisk(served.root), []);
  assertEquals(namesOnDisk(served.outside()), ["d", "secret.txt"]);
});

Deno.test("DirectoryStorage.remove() of a directory with nothing but leftovers lets others have their turns", async () => {
  await using served = await serveTemp();
  const count = 320;
  await served.storage.mkdir(at("d"));
  for (let i = 0; i < count; i++) Deno.writeTextFileSync(served.inside("d", temporaryName(`${i}`)), "");
  // Each is opened twice: to see whether somebody writes it, and before it is removed.
  let opened = 0;
  const original = Deno.openSync;
  Deno.openSync = (...args) => {
    opened++;
    return original(...args);
  };
  const steps: number[] = [];
  try {
    let ended = false;
    const removing = served.storage.remove(at("d")).finally(() => ended = true);
    while (!ended) {
      const before = opened;
      await takeTurn();
      steps.push(opened - before);
    }
    await removing;
  } finally {
    Deno.openSync = original;
  }
  assertEquals(opened, 2 * count);
  assertLess(Math.max(...steps), 65, `files in each step: ${steps}`);
  assertEquals(await namesOf(served.storage), []);
});

/** How long a tree of directories may keep the server from doing anything else, in ms. It should take much less. */
const MAX_STANDSTILL_MS = 1500;

Deno.test("DirectoryStorage.mkdir() of very many parents is refused, or does not take long", async () => {
  await using served = await serveTemp();
  const deep = Array.from({ length: 800 }, () => "d").join("/");
  const before = performance.now();
  try {
    await served.storage.mkdir(at(deep), { parents: true });
  } catch (error) {
    assert(error instanceof FerryError && error.code === "InvalidPath", String(error));
  }
  assertLess(performance.now() - before, MAX_STANDSTILL_MS);
});

Deno.test("DirectoryStorage.list() of very deep directories does not take long", async () => {
  await using served = await serveTemp();
  await Deno.mkdir(served.inside(...Array.from({ length: 800 }, () => "d")), { recursive: true });
  const before = performance.now();
  const entries = await entriesOf(served.storage, "", true);
  assertLess(performance.now() - before, MAX_STANDSTILL_MS);
  assertGreater(entries.length, 50);
});

const chain = (length: number, name = "d") => Array.from({ length }, () => name).join("/");

Deno.test("DirectoryStorage.mkdir() of 128 directories in each other looks at each of them only once", async () => {
  await using served = await serveTemp();
  const timed = async (work: () => Promise<void> | void) => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  };
  const own: number[] = [];
  const least: number[] = [];
  for (let i = 0; i < 20; i++) {
    own.push(await timed(() => served.storage.mkdir(at(`${i}/${chain(127)}`), { parents: true })));
    least.push(
      await timed(() => {
        for (let path = served.inside(`least${i}`), n = 0; n < 128; n++, path += "/d") {
          assertThrows(() => Deno.lstatSync(path));
          Deno.mkdirSync(path);
        }
      }),
    );
  }
  // With a real path for each of them it took more than four times as long.
  assertLess(Math.min(...own), 2.5 * Math.min(...least));
});
