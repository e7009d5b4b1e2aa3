import { assert, assertEquals } from "@std/assert";
import { temporaryName } from "../../../lib/storage/directory/temporary_file.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { NOT_ON_WINDOWS } from "../../helpers/places.ts";
import { type Served, serveTemp } from "../../helpers/served.ts";
import { at, keptOf, store } from "../../helpers/storage.ts";

/** All bits of the mode of what is at a path, without its type. */
function bitsOf(path: string): number {
  return (Deno.lstatSync(path).mode ?? 0) & 0o7777;
}

/** Runs something with another umask, all in one step. */
function withUmask<T>(umask: number, run: () => T): T {
  const usual = Deno.umask(umask);
  try {
    return run();
  } finally {
    Deno.umask(usual);
  }
}

/** How often `Deno.chmodSync` is called while something runs. */
async function countChmods(run: () => Promise<unknown>): Promise<number> {
  const original = Deno.chmodSync;
  let count = 0;
  Deno.chmodSync = (...args) => {
    count++;
    return original(...args);
  };
  try {
    await run();
  } finally {
    Deno.chmodSync = original;
  }
  return count;
}

/** Leaves a part of `a` with these bits, as an upload with another mode did. */
async function leavePart({ storage, inside }: Served, bits: number): Promise<string> {
  const upload = await storage.upload(at("a"), { size: 10 });
  await upload.write(new Uint8Array(5));
  await upload.abort();
  Deno.chmodSync(inside(temporaryName("a")), bits);
  return (await keptOf(storage, "a", { size: 10 })).state;
}

Deno.test(
  "DirectoryStorage.upload() makes its file with no more than the mode and the umask allow, from the first byte on",
  NOT_ON_WINDOWS,
  async () => {
    await using served = await serveTemp();
    const { storage, inside } = served;
    const cases = [
      // The mode, the umask, the bits while it is written, and in the end.
      [0o600, 0o022, 0o600, 0o600],
      [0o777, 0o022, 0o755, 0o755],
      [0o666, 0o077, 0o600, 0o600],
      [0o664, 0o002, 0o664, 0o664],
      [0o444, 0o022, 0o644, 0o444],
      [0o555, 0o077, 0o700, 0o500],
      [0o000, 0o000, 0o600, 0o000],
      [0o7777, 0o000, 0o777, 0o777],
    ] as const;
    for (const replaced of [undefined, 0o640, 0o464]) {
      for (const [mode, umask, asNew, atLast] of cases) {
        if (replaced !== undefined) {
          await store(storage, "a", "old");
          Deno.chmodSync(inside("a"), replaced);
        }
        // The owner's as asked for, whatever the umask, and for nobody else any more than the replaced file had.
        const end = replaced === undefined ? atLast : mode & (replaced | 0o700) & 0o777;
        const meanwhile = replaced === undefined ? asNew : end | 0o600;
        const opening = withUmask(umask, () => storage.upload(at("a"), { mode }));
        const upload = await opening;
        assertEquals(bitsOf(inside(temporaryName("a"))), meanwhile, mode.toString(8));
        await upload.write(new Uint8Array(5));
        assertEquals(bitsOf(inside(temporaryName("a"))), meanwhile, mode.toString(8));
        await upload.commit();
        assertEquals(bitsOf(inside("a")), end, mode.toString(8));
        await Deno.remove(inside("a"));
      }
    }
  },
);

Deno.test("DirectoryStorage.upload() changes no bits that are right already", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  for (const mode of [undefined, 0o600, 0o644, 0o755]) {
    // New, then replaced.
    for (let i = 0; i < 2; i++) {
      assertEquals(await countChmods(() => store(served.storage, `a${mode}`, "x", { mode })), 0);
    }
  }
  assertEquals(await countChmods(() => store(served.storage, "b", "x", { mode: 0o444 })), 1);
});

Deno.test(
  "DirectoryStorage.upload() narrows what an earlier upload left, before it goes on with it",
  NOT_ON_WINDOWS,
  async () => {
    await using served = await serveTemp();
    const { storage, inside } = served;
    for (const [bits, mode, end] of [[0o644, 0o600, 0o600], [0o755, 0o444, 0o444], [0o600, 0o400, 0o400]] as const) {
      const kept = await leavePart(served, bits);
      const upload = await storage.upload(at("a"), { size: 10, offset: 5, kept, mode });
      assertEquals(bitsOf(inside(temporaryName("a"))), bits & (mode | 0o600));
      await upload.write(new Uint8Array(5));
      await upload.commit();
      assertEquals(bitsOf(inside("a")), end);
      await Deno.remove(inside("a"));
    }
  },
);

Deno.test(
  "DirectoryStorage.upload() gives a file the bits of the upload that completes it, not of the one that began it",
  NOT_ON_WINDOWS,
  async () => {
    await using served = await serveTemp();
    const { storage, inside } = served;
    for (const [bits, mode, umask, end] of [[0o644, 0o755, 0o022, 0o755], [0o600, 0o666, 0o027, 0o640]] as const) {
      const kept = await leavePart(served, bits);
      const upload = await withUmask(umask, () => storage.upload(at("a"), { size: 10, offset: 5, kept, mode }));
      // Something of the earlier upload may still be in it.
      assertEquals(bitsOf(inside(temporaryName("a"))), bits);
      await upload.write(new Uint8Array(5));
      await upload.commit();
      assertEquals([bitsOf(inside("a")), [...Deno.readDirSync(inside("."))].length], [end, 1]);
      await Deno.remove(inside("a"));
    }
  },
);

Deno.test(
  "DirectoryStorage.upload() of a file that its owner may not write goes on where it stopped",
  NOT_ON_WINDOWS,
  async () => {
    await using served = await serveTemp();
    const { storage, inside } = served;
    for (const mode of [0o444, undefined]) {
      await store(storage, "a", "old", { mode: 0o444 });
      const first = await storage.upload(at("a"), { size: 10, mode });
      await first.write(new Uint8Array(5));
      await first.abort();
      assertEquals(bitsOf(inside(temporaryName("a"))) & 0o200, 0o200);
      const { state: kept } = await keptOf(storage, "a", { size: 10 });
      const next = await storage.upload(at("a"), { size: 10, mode, offset: 5, kept });
      await next.write(new Uint8Array(5));
      await next.commit();
      assertEquals(bitsOf(inside("a")), 0o444);
    }
  },
);

Deno.test(
  "DirectoryStorage.upload() shows a file to nobody who may not read the one that it replaces in the end",
  NOT_ON_WINDOWS,
  async () => {
    await using served = await serveTemp();
    const { storage, inside } = served;
    for (const mode of [undefined, 0o644, 0o444]) {
      for (const wasThere of [true, false]) {
        if (wasThere) await store(storage, "a", "old", { mode: 0o644 });
        const upload = await storage.upload(at("a"), { mode });
        await upload.write(new Uint8Array(5));
        if (!wasThere) await store(storage, "a", "old", { owner: "somebody else" });
        Deno.chmodSync(inside("a"), 0o600);
        await upload.commit();
        assertEquals(bitsOf(inside("a")) & 0o077, 0, `${mode}`);
        await Deno.remove(inside("a"));
      }
    }
  },
);

Deno.test("DirectoryStorage.mkdir() heeds the umask", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await withUmask(0o077, () => storage.mkdir(at("d"), { mode: 0o755 }));
  await withUmask(0o002, () => storage.mkdir(at("e"), { mode: 0o2557 }));
  assertEquals([bitsOf(inside("d")), bitsOf(inside("e"))], [0o700, 0o755]);
});

Deno.test("DirectoryStorage.setMetadata() sets no bits but those for permissions", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await store(storage, "a", "x");
  await storage.mkdir(at("d"));
  for (const name of ["a", "d"]) {
    await storage.setMetadata(at(name), { mode: 0o7711 });
    assertEquals(bitsOf(inside(name)), name === "a" ? 0o700 : 0o711);
  }
  Deno.chmodSync(inside("a"), 0o4755);
  Deno.chmodSync(inside("d"), 0o3755);
  for (const name of ["a", "d"]) await storage.setMetadata(at(name), { mode: 0o700 });
  // What is made in the directory goes on belonging to its group, and nobody else may remove it.
  assertEquals([bitsOf(inside("a")), bitsOf(inside("d"))], [0o700, 0o3700]);
});

Deno.test("DirectoryStorage.setMetadata() gives nobody but the owner any rights", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside } = served;
  await store(storage, "a", "x");
  await storage.mkdir(at("d"));
  for (const name of ["a", "d"]) {
    const cases = [
      // The bits before, those asked for, and those after.
      [0o700, 0o777, 0o700],
      [0o500, 0o755, 0o700],
      [0o755, 0o555, 0o555],
      [0o750, 0o777, 0o750],
      [0o751, 0o706, 0o700],
      [0o644, 0o600, 0o600],
      [0o2755, 0o7777, name === "a" ? 0o755 : 0o2755],
    ] as const;
    for (const [before, mode, after] of cases) {
      Deno.chmodSync(inside(name), before);
      await withUmask(0, () => storage.setMetadata(at(name), { mode }));
      assertEquals(bitsOf(inside(name)), after, `${name} ${before.toString(8)} ${mode.toString(8)}`);
    }
  }
});

Deno.test("DirectoryStorage.setMetadata() follows links that stay inside, and no others", NOT_ON_WINDOWS, async () => {
  await using served = await serveTemp();
  const { storage, inside, outside } = served;
  await storage.mkdir(at("d"));
  await store(storage, "d/a", "x");
  Deno.chmodSync(inside("d/a"), 0o666);
  await Deno.symlink("d/a", inside("link"));
  await Deno.symlink("d", inside("link-to-d"));
  for (
    const [name, target, mode] of [["link", "d/a", 0o640], ["link-to-d/a", "d/a", 0o600], [
      "link-to-d",
      "d",
      0o700,
    ]] as const
  ) {
    await storage.setMetadata(at(name), { mtimeMs: 5000, mode });
    const { mtime } = await Deno.lstat(inside(target));
    assertEquals([mtime?.getTime(), bitsOf(inside(target))], [5000, mode], name);
  }
  await Deno.symlink(outside("secret.txt"), inside("out"));
  await Deno.symlink(outside("d"), inside("out-to-d"));
  await Deno.symlink("nothing", inside("dangling"));
  const before = [Deno.lstatSync(outside("secret.txt")), Deno.lstatSync(outside("d"))];
  for (const name of ["out", "out-to-d", "out-to-d/deep.txt", "dangling"]) {
    await assertFailsWith("NotFound", () => storage.setMetadata(at(name), { mtimeMs: 0, mode: 0o777 }), name);
  }
  assertEquals([Deno.lstatSync(outside("secret.txt")), Deno.lstatSync(outside("d"))], before);
});

/** Runs `swap` right after `path` was looked at, `times` times. */
async function whenLookedAt(path: string, times: number, swap: (i: number) => void, run: () => Promise<unknown>) {
  const original = Deno.lstatSync;
  let done = 0;
  Deno.lstatSync = (looked) => {
    const info = original(looked);
    if (looked === path && done < times) swap(done++);
    return info;
  };
  try {
    await run();
  } finally {
    Deno.lstatSync = original;
  }
  assert(done > 0, "it was not looked at");
}

Deno.test(
  "DirectoryStorage.setMetadata() changes nothing outside when what it found is replaced by a link",
  NOT_ON_WINDOWS,
  async () => {
    await using served = await serveTemp();
    const { storage, inside, outside } = served;
    await storage.mkdir(at("d"));
    for (const [name, target] of [["a", "secret.txt"], ["d", "d"]] as const) {
      if (name === "a") await store(storage, "a", "x");
      const before = Deno.lstatSync(outside(target));
      const set = () => storage.setMetadata(at(name), { mtimeMs: 0, mode: 0o777 });
      const swap = () => {
        Deno.renameSync(inside(name), inside(`moved-${name}`));
        Deno.symlinkSync(outside(target), inside(name));
      };
      await whenLookedAt(inside(name), 1, swap, () => assertFailsWith("NotFound", set));
      assertEquals(Deno.lstatSync(outside(target)), before);
    }
  },
);

Deno.test(
  "DirectoryStorage.setMetadata() does not wait at a pipe that is put in the place of what it found",
  NOT_ON_WINDOWS,
  async () => {
    await using served = await serveTemp();
    const { storage, inside } = served;
    await store(storage, "a", "x");
    const { success } = await new Deno.Command("mkfifo", { args: [inside("pipe")] }).output();
    assert(success);
    const swap = () => Deno.renameSync(inside("pipe"), inside("a"));
    const set = () => storage.setMetadata(at("a"), { mode: 0o777, mtimeMs: 0 });
    await whenLookedAt(inside("a"), 1, swap, () => assertFailsWith("NotAFile", set));
  },
);
