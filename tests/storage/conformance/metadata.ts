import { assertEquals } from "@std/assert";
import { FerryError } from "../../../lib/core/errors.ts";
import { ROOT } from "../../../lib/core/remote_path.ts";
import type { OperationOptions, Storage } from "../../../lib/storage/storage.ts";
import { assertFailsWith } from "../../helpers/failures.ts";
import { at, entriesOf, namesOf, store, textOf } from "../../helpers/storage.ts";
import type { Define } from "./define.ts";

/** Some time that is not the present one, in ms since 1970. */
const BEFORE = Date.UTC(1969, 11, 31, 23, 59, 58, 1);

/** Permission bits that the usual umask (022) allows. */
const MODES = [0o400, 0o444, 0o500, 0o600, 0o640, 0o644, 0o700, 0o755];

async function modeOf(storage: Storage, path: string): Promise<number | undefined> {
  return (await storage.stat(at(path))).mode;
}

/** Whether the place has permission bits at all. */
async function hasModes(storage: Storage): Promise<boolean> {
  return await modeOf(storage, "") !== undefined;
}

/** Permission bits of what is stored and made. */
export function testModes(define: Define): void {
  define(
    "upload",
    "gives a file the permission bits that were asked for, and one that replaces another no more for group and others",
    async (storage) => {
      if (!await hasModes(storage)) return;
      for (const mode of MODES) {
        const name = `new-${mode}`;
        await store(storage, name, "content", { mode });
        assertEquals(await modeOf(storage, name), mode);
        assertEquals(await textOf(storage, name), "content");
        const listed = (await entriesOf(storage)).find(({ path }) => path === name);
        assertEquals(listed?.mode, mode);
        for (const other of MODES) {
          await storage.remove(at(name));
          await store(storage, name, "old", { mode });
          await store(storage, name, "content", { mode: other });
          assertEquals(await modeOf(storage, name), other & (mode | 0o700));
          assertEquals(await textOf(storage, name), "content");
        }
      }
    },
  );

  define("upload", "keeps the permission bits of what it replaces when none are asked for", async (storage) => {
    if (!await hasModes(storage)) return;
    for (const mode of MODES) {
      await store(storage, `a${mode}`, "old", { mode });
      await store(storage, `a${mode}`, "new");
      assertEquals(await modeOf(storage, `a${mode}`), mode);
    }
  });

  define("mkdir", "gives the directory the permission bits that were asked for, and its owner all", async (storage) => {
    if (!await hasModes(storage)) return;
    for (const mode of MODES) {
      await storage.mkdir(at(`d${mode}`), { mode });
      assertEquals(await modeOf(storage, `d${mode}`), mode | 0o700);
      await store(storage, `d${mode}/a`, "x");
    }
    await storage.mkdir(at("above/below"), { parents: true, mode: 0o700 });
    await storage.mkdir(at("usual"));
    assertEquals(await modeOf(storage, "above/below"), 0o700);
    assertEquals(await modeOf(storage, "above"), await modeOf(storage, "usual"));
    await storage.mkdir(at("usual"), { parents: true, mode: 0o700 });
    assertEquals(await modeOf(storage, "above"), await modeOf(storage, "usual"));
  });
}

/** Setting time and permission bits, in places that can. */
export function testSetMetadata(define: Define): void {
  define(
    "setMetadata",
    "sets the time, and the permission bits so that nobody but the owner gets more",
    async (storage) => {
      if (!storage.setMetadata) return;
      await store(storage, "a", "content", { mode: 0o644 });
      await storage.mkdir(at("d"), { mode: 0o755 });
      await store(storage, "d/b", "content");
      for (const path of ["a", "d"]) {
        const { mode: usual } = await storage.stat(at(path));
        for (const mtimeMs of [BEFORE, 0, 1, Date.UTC(2037, 0, 1, 0, 0, 0, 999)]) {
          await storage.setMetadata(at(path), { mtimeMs });
          const metadata = await storage.stat(at(path));
          assertEquals([metadata.mtimeMs, metadata.mode], [mtimeMs, usual]);
        }
        const { mtimeMs } = await storage.stat(at(path));
        for (const mode of [0o544, 0o777, 0o740, 0o555, 0o500, 0o755]) {
          const { mode: before = 0 } = await storage.stat(at(path));
          await storage.setMetadata(at(path), { mode });
          const metadata = await storage.stat(at(path));
          const narrowed = mode & (before | 0o700);
          assertEquals([metadata.mtimeMs, metadata.mode], [mtimeMs, usual === undefined ? undefined : narrowed]);
        }
        await storage.setMetadata(at(path), { mtimeMs: BEFORE, mode: 0o700 });
        const both = await storage.stat(at(path));
        assertEquals([both.mtimeMs, both.mode], [BEFORE, usual === undefined ? undefined : 0o700]);
        await storage.setMetadata(at(path), {});
        assertEquals(await storage.stat(at(path)), both);
      }
      assertEquals([await textOf(storage, "a"), await namesOf(storage, "d")], ["content", ["b"]]);
    },
  );

  define("setMetadata", "fails for what is not there", async (storage) => {
    if (!storage.setMetadata) return;
    await store(storage, "file", "x");
    const set = (path: string) => storage.setMetadata?.(at(path), { mtimeMs: 0 });
    await assertFailsWith("NotFound", () => set("missing"));
    await assertFailsWith("NotFound", () => set("missing/a"));
    assertEquals(await namesOf(storage), ["file"]);
  });
}

/** What each operation does; all of them could be done in a place with a file `a` and a directory `d`. */
const OPERATIONS: Readonly<Record<string, (storage: Storage, options: OperationOptions) => Promise<unknown> | void>> = {
  stat: (storage, options) => storage.stat(at("a"), options),
  list: (storage, options) => Array.fromAsync(storage.list(ROOT, options)),
  read: (storage, options) => storage.read(at("a"), options),
  upload: async (storage, options) => await (await storage.upload(at("a"), { ...options, size: 0 })).commit(),
  mkdir: (storage, options) => storage.mkdir(at("new"), options),
  rename: (storage, options) => storage.rename(at("a"), at("b"), options),
  remove: (storage, options) => storage.remove(at("a"), options),
  blocks: (storage, options) => storage.blocks(at("a"), { ...options, length: 1 }),
  digest: (storage, options) => storage.digest(at("a"), options),
  offer: (storage, options) => storage.offer?.(at("a"), options),
  setMetadata: (storage, options) => storage.setMetadata?.(at("a"), { mtimeMs: 0 }, options),
  sweep: (storage, options) => storage.sweep?.(ROOT, options),
};

/** Giving operations up. */
export function testSignals(define: Define): void {
  for (const [symbol, operation] of Object.entries(OPERATIONS)) {
    define(symbol, "fails with Cancelled when it was given up before, and does nothing", async (storage) => {
      if (Reflect.get(storage, symbol) === undefined) return;
      await store(storage, "a", "content");
      await storage.mkdir(at("d"));
      const before = await entriesOf(storage, "", true);
      const reason = new FerryError("Cancelled", "given up");
      for (const signal of [AbortSignal.abort(), AbortSignal.abort(reason), AbortSignal.abort("another reason")]) {
        await assertFailsWith("Cancelled", async () => await operation(storage, { signal }));
        assertEquals(await entriesOf(storage, "", true), before);
      }
      assertEquals(await textOf(storage, "a"), "content");
    });
  }

  define("upload", "takes nothing more once it is given up", async (storage) => {
    await store(storage, "a", "old");
    for (const end of ["write", "commit"] as const) {
      const abort = new AbortController();
      const upload = await storage.upload(at("a"), { size: 6, signal: abort.signal });
      await upload.write(new TextEncoder().encode("new"));
      if (end === "commit") await upload.write(new TextEncoder().encode("new"));
      abort.abort();
      await assertFailsWith("Cancelled", async () => {
        if (end === "write") await upload.write(new TextEncoder().encode("new"));
        await upload.commit();
      });
      await upload.abort();
      assertEquals(await textOf(storage, "a"), "old");
    }
  });

  define("read", "gives nothing more once it is given up", async (storage) => {
    await store(storage, "a", "content");
    const abort = new AbortController();
    const reader = await storage.read(at("a"), { signal: abort.signal });
    try {
      assertEquals(await reader.read(new Uint8Array(1)), 1);
      abort.abort();
      await assertFailsWith("Cancelled", async () => await reader.read(new Uint8Array(1)));
    } finally {
      reader.close();
    }
  });
}
