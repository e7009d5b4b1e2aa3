import { assert, assertEquals } from "@std/assert";
import { type Authority, AuthorizedStorage, type SharedUpload } from "../../lib/access/authorized_storage.ts";
import { DEFAULT_LIMITS, type Limits } from "../../lib/access/limits.ts";
import type { OperationRecord } from "../../lib/access/operation.ts";
import { FerryError } from "../../lib/core/errors.ts";
import { type Right, RIGHTS } from "../../lib/protocol/commands.ts";
import { DirectoryStorage } from "../../lib/storage/directory/directory_storage.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { assertFailsWith, assertThrowsCode } from "../helpers/failures.ts";
import { MemoryStorage } from "../helpers/memory_storage.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile } from "../helpers/raw.ts";
import { at, contentOf, partOf, store } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

/** A session at a place, and what was recorded of it. */
function enter(place: Storage, authority: Partial<Authority> = {}) {
  const records: OperationRecord[] = [];
  const storage = new AuthorizedStorage(place, {
    rights: RIGHTS,
    owner: "",
    limits: DEFAULT_LIMITS,
    durable: false,
    shared: new Map(),
    onOperation: (record) => records.push(record),
    ...authority,
  });
  /** What was recorded since the last call, without times; each `command path bytes outcome`. */
  const told = () =>
    records.splice(0).map(({ command, path = "-", to, bytes, outcome }) =>
      [command, path, ...to === undefined ? [] : [to], bytes, outcome].join(" ")
    );
  return { storage, records, told };
}

/** Something to do with a place, what it needs, and what is recorded of it. */
interface Doing {
  readonly need: Right;
  readonly record: string;
  run(storage: AuthorizedStorage): Promise<unknown>;
}

/** One of each operation, on a place that has the file `a` of 5 bytes. */
const DOINGS: Record<string, Doing> = {
  stat: { need: "read", record: "stat a 0", run: (storage) => storage.stat(at("a")) },
  list: { need: "read", record: "dir - 0", run: (storage) => Array.fromAsync(storage.list(at(""))) },
  read: { need: "read", record: "get a 5", run: (storage) => contentOf(storage, "a") },
  blocks: { need: "read", record: "blocks a 0", run: (storage) => storage.blocks(at("a"), { length: 5 }) },
  digest: { need: "read", record: "sum a 0", run: (storage) => storage.digest(at("a")) },
  upload: { need: "add", record: "put b 3", run: (storage) => store(storage, "b", "abc") },
  openPart: { need: "add", record: "part - 0", run: (storage) => storage.openPart("none", 0) },
  offer: { need: "add", record: "offer c 0", run: async (storage) => await storage.offer?.(at("c"), { size: 3 }) },
  setMetadata: {
    need: "overwrite",
    record: "set a 0",
    run: async (storage) => await storage.setMetadata?.(at("a"), { mtimeMs: 0 }),
  },
  space: { need: "read", record: "df - 0", run: async (storage) => await storage.space?.() },
  mkdir: { need: "add", record: "mkdir d 0", run: (storage) => storage.mkdir(at("d")) },
  rename: { need: "remove", record: "rename d e 0", run: (storage) => storage.rename(at("d"), at("e")) },
  remove: { need: "remove", record: "remove e 0", run: (storage) => storage.remove(at("e")) },
};

/** A directory and a place that has nothing but what every place must have, each with the file `a`. */
async function places() {
  const dir = await tempDir();
  await Deno.writeTextFile(dir.join("a"), "hello");
  const memory = new MemoryStorage();
  memory.set("a", new TextEncoder().encode("hello"));
  const all: [string, Storage][] = [["a directory", DirectoryStorage.open(dir.path)], ["a fake place", memory]];
  return { dir, all, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

/** A place that is not to be asked for anything. */
const UNTOUCHABLE: Storage = new Proxy(new MemoryStorage(), {
  get(target, key) {
    if (typeof Reflect.get(target, key) !== "function" && !["offer", "setMetadata", "space"].includes(String(key))) {
      return undefined;
    }
    return () => {
      throw new Error(`${String(key)} reached the place`);
    };
  },
});

Deno.test("AuthorizedStorage has a right for each operation", () => {
  const { storage } = enter(UNTOUCHABLE);
  const operations = [...Object.getOwnPropertyNames(AuthorizedStorage.prototype), ...Object.keys(storage)];
  const tested = new Set(Object.keys(DOINGS));
  assertEquals(
    operations.filter((name) => !["constructor", "require", "current"].includes(name) && !tested.has(name)),
    [],
  );
});

Deno.test("AuthorizedStorage does what the session has a right to, and asks the place for nothing else", async (t) => {
  await using _places = await places();
  for (const [what, place] of _places.all) {
    await t.step(what, async () => {
      const { storage, told } = enter(place);
      for (const [name, { record, run }] of Object.entries(DOINGS)) {
        if (Reflect.get(storage, name) === undefined) continue;
        if (name === "openPart") await assertFailsWith("NotFound", () => run(storage), name);
        else await run(storage);
        assertEquals(told(), [`${record} ${name === "openPart" ? "NotFound" : "ok"}`]);
      }
    });
  }
  for (const [name, { need, run }] of Object.entries(DOINGS)) {
    await t.step(`${name} without the right to ${need}`, async () => {
      const { storage, told } = enter(UNTOUCHABLE, { rights: RIGHTS.filter((right) => right !== need) });
      const { message } = await assertFailsWith("Refused", () => run(storage), name);
      assert(message.startsWith("you may not "), message);
      const [record, ...others] = told();
      assert(record?.endsWith(" 0 Refused"), record);
      assertEquals(others, []);
      const readOnly = enter(UNTOUCHABLE, { rights: ["read"] });
      if (need === "read") return;
      assertEquals((await assertFailsWith("Refused", () => run(readOnly.storage))).message, "you may only read here");
    });
  }
});

Deno.test("AuthorizedStorage records what is set, and that of nothing else", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(dir.join("a"), "hello");
  const { storage, records } = enter(DirectoryStorage.open(dir.path));
  await storage.setMetadata?.(at("a"), { mtimeMs: 5000 });
  await storage.setMetadata?.(at("a"), { mode: 0o640 });
  await assertFailsWith("NotFound", async () => await storage.setMetadata?.(at("b"), { mtimeMs: 1, mode: 0o600 }), "b");
  await storage.mkdir(at("d"), { mode: 0o700 });
  await storage.stat(at("d"));
  assertEquals(records.map(({ mtimeMs, mode }) => [mtimeMs, mode]), [
    [5000, undefined],
    [undefined, 0o640],
    [1, 0o600],
    [undefined, 0o700],
    [undefined, undefined],
  ]);
});

Deno.test("AuthorizedStorage tells as free what uploads may use", async () => {
  const place = Object.assign(new MemoryStorage(), { space: () => Promise.resolve({ free: 100, total: 500 }) });
  const freeWith = async (keepFreeBytes: number) => {
    const space = await enter(place, { limits: { ...DEFAULT_LIMITS, keepFreeBytes } }).storage.space?.();
    assertEquals(space?.total, 500);
    return space?.free;
  };
  assertEquals([await freeWith(0), await freeWith(30), await freeWith(101)], [100, 70, 0]);
});

Deno.test("AuthorizedStorage says what a session may not replace, and replaces it with the right", async () => {
  await using _places = await places();
  for (const [what, place] of _places.all) {
    const { storage, told } = enter(place, { rights: ["read", "add"] });
    const replacing = () => store(storage, "a", "new");
    const { message } = await assertFailsWith("AlreadyExists", replacing, what);
    assertEquals(message, "it exists already, and you may not replace files here");
    const own = await assertFailsWith("AlreadyExists", () => store(storage, "a", "new", { overwrite: false }));
    assertEquals(own.message, "it exists already");
    assertEquals(told(), ["put a 0 AlreadyExists", "put a 0 AlreadyExists"]);
    const offering = async () => await storage.offer?.(at("a"), { size: 3 });
    if (storage.offer) assertEquals((await assertFailsWith("AlreadyExists", offering)).message, message);
    const full = enter(place);
    await store(full.storage, "a", "new");
    assertEquals(new TextDecoder().decode(await contentOf(full.storage, "a")), "new");
  }
});

Deno.test("AuthorizedStorage explains what a place says only at the end of an upload", async () => {
  const place = new MemoryStorage();
  const late: Storage = Object.assign(Object.create(place), {
    upload: async () => ({
      write() {},
      commit: () => Promise.reject(new FerryError("AlreadyExists", "it exists already")),
      abort: () => Promise.resolve(),
    }),
  });
  const { storage, told } = enter(late, { rights: ["add"] });
  const { message } = await assertFailsWith("AlreadyExists", () => store(storage, "a", "new"));
  assertEquals(message, "it exists already, and you may not replace files here");
  assertEquals(told(), ["put a 3 AlreadyExists"]);
});

const limits = (some: Partial<Limits>) => ({ limits: { ...DEFAULT_LIMITS, ...some } });

Deno.test("AuthorizedStorage takes no file that is larger than the limit, in any place", async () => {
  await using _places = await places();
  for (const [what, place] of _places.all) {
    const { storage, told } = enter(place, limits({ fileBytes: 10 }));
    const words = "a file may have at most 10 bytes here";
    const tooLarge = async (run: () => Promise<unknown>) =>
      assertEquals((await assertFailsWith("TooLarge", run, what)).message, words);
    await store(storage, "fits", bytes(10), { size: 10 });
    await tooLarge(() => storage.upload(at("large"), { size: 11 }));
    await tooLarge(() => storage.upload(at("large"), { offset: 11, kept: "kept" }));
    await tooLarge(() => store(storage, "large", bytes(11)));
    const pieces = await storage.upload(at("large"));
    await pieces.write(bytes(6));
    assertThrowsCode("TooLarge", () => pieces.write(bytes(5)));
    await pieces.abort();
    const records = ["put fits 10 ok", ...[0, 0, 0, 6].map((size) => `put large ${size} TooLarge`)];
    assertEquals(told(), records);
    if (!storage.offer) continue;
    await tooLarge(async () => await storage.offer?.(at("large"), { size: 11 }));
    const upload = await storage.upload(at("parts"), { inParts: true });
    await tooLarge(async () => await partOf(upload, 11));
    const part = await partOf(upload, 4);
    await part.write(bytes(6));
    assertThrowsCode("TooLarge", () => part.write(bytes(1)));
    part.close();
    await upload.abort();
  }
});

Deno.test("AuthorizedStorage gives the place what the session's rules are, whatever its caller says", async () => {
  const asked: Record<string, unknown>[] = [];
  const place = new MemoryStorage();
  const watching: Storage = new Proxy(place, {
    get: (target, key) => (...args: Record<string, unknown>[]) => {
      asked.push({ ...args.at(-1) });
      return Reflect.get(target, key)?.apply(target, args) ?? Promise.resolve({});
    },
  });
  const rules = { owner: "me", rights: ["add"] as const, durable: true };
  const { storage } = enter(watching, { ...rules, ...limits({ depth: 7, keepFreeBytes: 99 }) });
  const lies = { owner: "you", wholeBlocks: false, keepFree: 0, maxDepth: 1000, overwrite: true, durable: false };
  await store(storage, "b", "abc", lies);
  const told = { owner: "me", wholeBlocks: true, keepFree: 99, maxDepth: 7, overwrite: false, durable: true };
  assertEquals(asked.splice(0), [{ ...lies, ...told }]);
  await storage.offer?.(at("b"), { size: 3, ...lies });
  assertEquals(asked.splice(0), [{ ...lies, size: 3, ...told }]);
  await storage.mkdir(at("d"), { parents: true, maxDepth: 1000 });
  assertEquals(asked.splice(0), [{ parents: true, maxDepth: 7 }]);
  const mover = enter(watching, limits({ depth: 7 })).storage;
  await mover.rename(at("d"), at("e"), { maxDepth: 1000 });
  assertEquals(asked, [{ maxDepth: 7 }]);
});

Deno.test("AuthorizedStorage makes nothing deeper than the limit, and keeps space free", async () => {
  await using dir = await tempDir();
  const { storage, told } = enter(DirectoryStorage.open(dir.path), limits({ depth: 2, keepFreeBytes: 2 ** 52 }));
  await storage.mkdir(at("d/e"), { parents: true });
  await assertFailsWith("InvalidPath", () => storage.mkdir(at("d/e/f")));
  await assertFailsWith("NoSpace", () => store(storage, "a", "a", { size: 1 }));
  assertEquals(told(), ["mkdir d/e 0 ok", "mkdir d/e/f 0 InvalidPath", "put a 0 NoSpace"]);
});

// What is recorded, and when

Deno.test("AuthorizedStorage records a read when its reader is closed, with what it has given", async (t) => {
  await using _places = await places();
  const reason = new FerryError("Disconnected", "the client went away");
  for (const [what, place] of _places.all) {
    await t.step(what, async () => {
      const { storage, told } = enter(place);
      const stop = new AbortController();
      const reader = await storage.read(at("a"));
      assertEquals([reader.length, reader.metadata.size], [5, 5]);
      assertEquals(await reader.read(new Uint8Array(3)), 3);
      assertEquals(told(), []);
      reader.close();
      assertEquals(told(), ["get a 3 Cancelled"]);
      const other = await storage.read(at("a"), { signal: stop.signal });
      stop.abort(reason);
      other.close();
      (await storage.read(at("a"))).close(new FerryError("Timeout", "no progress"));
      const part = await storage.read(at("a"), { offset: 1, length: 2 });
      assertEquals(await part.read(new Uint8Array(100)), 2);
      part.close();
      assertEquals(told(), ["get a 0 Disconnected", "get a 0 Timeout", "get a 2 ok"]);
      await assertFailsWith("NotFound", () => storage.read(at("none")));
      await assertFailsWith("Changed", () => storage.read(at("a"), { ifVersion: "another" }));
      assertEquals(told(), ["get none 0 NotFound", "get a 0 Changed"]);
    });
  }
});

Deno.test("AuthorizedStorage records why a read failed, at once and later, whatever is said at its end", async () => {
  for (const isLate of [false, true]) {
    const place = new MemoryStorage();
    const changed = new FerryError("Changed", "it changed while it was read");
    const failing: Storage = Object.assign(Object.create(place), {
      read: async () => ({
        metadata: {},
        length: 5,
        read() {
          if (isLate) return Promise.reject(changed);
          throw changed;
        },
        close() {},
      }),
    });
    const { storage, told } = enter(failing);
    await assertFailsWith("Changed", () => contentOf(storage, "a"));
    assertEquals(told(), ["get a 0 Changed"]);
  }
});

Deno.test("AuthorizedStorage records a listing when it ends, is left or fails", async () => {
  await using _places = await places();
  for (const [, place] of _places.all) {
    const { storage, told } = enter(place);
    for await (const _ of storage.list(at(""))) assertEquals(told(), []);
    assertEquals(told(), ["dir - 0 ok"]);
    for await (const _ of storage.list(at(""))) break;
    const stop = new AbortController();
    for await (const _ of storage.list(at(""), { signal: stop.signal })) {
      stop.abort(new FerryError("Disconnected", "the client went away"));
      break;
    }
    await assertFailsWith("NotFound", () => Array.fromAsync(storage.list(at("none"))));
    assertEquals(told(), ["dir - 0 Cancelled", "dir - 0 Disconnected", "dir none 0 NotFound"]);
  }
});

Deno.test("AuthorizedStorage records an upload once, when it is committed or aborted", async () => {
  await using _places = await places();
  for (const [, place] of _places.all) {
    const { storage, told } = enter(place);
    const upload = await storage.upload(at("b"));
    await upload.write(bytes(3));
    assertEquals(told(), []);
    await upload.commit();
    assertEquals(told(), ["put b 3 ok"]);
    await upload.abort();
    const short = await storage.upload(at("b"), { size: 9 });
    await short.write(bytes(3));
    await assertFailsWith("BadRequest", () => short.commit());
    await short.abort();
    const corrupt = await storage.upload(at("b"));
    await corrupt.abort(new FerryError("Corrupt", "3 bytes arrived of 4 that were sent"));
    await (await storage.upload(at("b"))).abort();
    assertEquals(told(), ["put b 3 BadRequest", "put b 0 Corrupt", "put b 0 Cancelled"]);
  }
});

Deno.test("AuthorizedStorage records how long an operation took, and what the system said of a failure", async () => {
  const place = new MemoryStorage();
  const failing: Storage = Object.assign(Object.create(place), {
    stat: () => Promise.reject(new FerryError("Internal", "the disk reported an error", { cause: "EIO" })),
    digest: () => Promise.reject(new FerryError("NotFound", "no such file", { cause: "ENOENT" })),
    remove: () => Promise.reject(new TypeError("a mistake")),
  });
  const { storage, records } = enter(failing);
  await assertFailsWith("Internal", () => storage.stat(at("a")));
  await assertFailsWith("NotFound", () => storage.digest(at("a")));
  await storage.remove(at("a")).then(() => assert(false), () => {});
  assertEquals(records.map(({ outcome, detail }) => [outcome, detail]), [
    ["Internal", "EIO"],
    ["NotFound", undefined],
    ["Internal", "TypeError: a mistake"],
  ]);
  for (const { durationMs } of records) assert(durationMs >= 0);
});

// Capabilities, and uploads that several sessions work on

Deno.test("AuthorizedStorage can what its place can, and does not sweep", async () => {
  await using _places = await places();
  for (const [what, place] of _places.all) {
    const { storage } = enter(place);
    assertEquals(storage.offer !== undefined, place.offer !== undefined, what);
    assertEquals("sweep" in storage, false);
    const upload = await storage.upload(at("b"), { inParts: true });
    assertEquals(upload.openPart !== undefined, what === "a directory");
    await upload.abort();
  }
});

Deno.test("AuthorizedStorage takes parts from sessions of the same owner only, until the upload ends", async () => {
  await using dir = await tempDir();
  const place = DirectoryStorage.open(dir.path);
  const shared = new Map<string, SharedUpload>();
  const session = (owner: string, rights: readonly Right[] = RIGHTS) => enter(place, { owner, rights, shared });
  const [host, helper, other, reader] = [session("me"), session("me"), session("you"), session("me", ["read"])];
  const upload = await host.storage.upload(at("b"), { size: 10, inParts: true }, "name");
  const part = await helper.storage.openPart("name", 4);
  await part.write(bytes(6));
  await part.finish();
  part.close();
  const unfinished = await helper.storage.openPart("name", 0);
  unfinished.close(new FerryError("Corrupt", "4 bytes arrived of 5 that were sent"));
  await assertFailsWith("NotFound", () => other.storage.openPart("name", 0));
  await assertFailsWith("NotFound", () => helper.storage.openPart("another", 0));
  await assertFailsWith("Refused", () => reader.storage.openPart("name", 0));
  await upload.write(bytes(4));
  await upload.commit();
  assertEquals(shared.size, 0);
  await assertFailsWith("NotFound", () => helper.storage.openPart("name", 0));
  assertEquals(host.told(), ["put b 4 ok"]);
  assertEquals(helper.told(), ["part - 6 ok", "part - 0 Corrupt", "part - 0 NotFound", "part - 0 NotFound"]);
  assertEquals([...other.told(), ...reader.told()], ["part - 0 NotFound", "part - 0 Refused"]);
  await assertFile(dir.join("b"), new Uint8Array([...bytes(4), ...bytes(6)]));
  const given = await host.storage.upload(at("c"), { inParts: true }, "again");
  await given.abort();
  assertEquals(shared.size, 0);
});

Deno.test("AuthorizedStorage says that a place which writes files from one end to the other takes no parts", async () => {
  const place = new MemoryStorage();
  const { storage, told } = enter(place);
  const upload = await storage.upload(at("b"), { inParts: true }, "name");
  await assertFailsWith("Unsupported", () => storage.openPart("name", 0));
  await upload.write(bytes(1));
  await upload.commit();
  assertEquals(told(), ["part - 0 Unsupported", "put b 1 ok"]);
});
