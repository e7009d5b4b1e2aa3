import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type ErrorCode, FerryError, type Storage } from "../../lib/mod.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, Collector, failsWith, namesIn, RawPeer, Served, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";

/** Several data frames. */
const CONTENT = bytes(3_500_000, 1);

/** Where a disk fails: at once, in the first frame, at the border of two, in the last, and at the very end. */
const POINTS = [0, 1, 1024 * 1024, 3_400_000, CONTENT.length];

/** What a disk may say, what clients hear, and what the operator does. */
const FAILURES: readonly [thrown: Error, code: ErrorCode, told: string, logged: string | undefined][] = [
  [
    Object.assign(new Error("Input/output error (os error 5)"), { code: "EIO" }),
    "Internal",
    "the disk reported a read or write error",
    "os error 5",
  ],
  [Object.assign(new Error("Stale file handle"), { code: "ESTALE" }), "Changed", "it was replaced", undefined],
  [new Error("the controller is on fire"), "Internal", "an unexpected error happened", "on fire"],
];

/** A storage whose files, when they are read, throw `failure.thrown` after so many bytes, as long as there is one. */
function failing(failure: { thrown: Error | undefined; after: number }): (storage: Storage) => Partial<Storage> {
  return (storage) => ({
    async read(path, options) {
      const reader = await storage.read(path, options);
      let done = 0;
      return {
        metadata: reader.metadata,
        length: reader.length,
        async read(into) {
          if (failure.thrown && done >= failure.after) throw failure.thrown;
          const room = failure.thrown ? Math.min(into.length, failure.after - done) : into.length;
          const n = await reader.read(into.subarray(0, room));
          done += n ?? 0;
          return n;
        },
        close: () => reader.close(),
      };
    },
  });
}

for (const [thrown, code, told, logged] of FAILURES) {
  Deno.test(`get() of a file of which ${thrown.message} fails with ${code}, and works later`, async (t) => {
    const failure: { thrown: Error | undefined; after: number } = { thrown, after: 0 };
    await using served = await Served.with({ f: CONTENT, other: "other" }, {}, failing(failure));
    await using local = await tempDir();
    await using client = await served.connect();
    await Deno.writeTextFile(local.join("f"), "old");
    for (const after of POINTS) {
      await t.step(`after ${after} bytes`, async () => {
        Object.assign(failure, { thrown, after });
        for (const target of [local.join("f"), local.join("new"), new Collector()]) {
          if (code === "Changed" && after === CONTENT.length && typeof target !== "string") {
            // All of it has come, and it is compared with what is there now.
            await client.get("f", target);
            assertEquals(target.bytes, CONTENT);
            continue;
          }
          const { message } = await failsWith(
            client.get("f", target, typeof target === "string" ? { resume: false } : {}),
            code,
          );
          assertStringIncludes(message, told);
          assert(!message.includes("fire") && !message.includes("os error"), message);
          const event = served.events.of("command").at(-1);
          assertEquals([event?.command, event?.outcome], ["get", code]);
          assertStringIncludes(event?.detail ?? "", logged ?? "");
          assertEquals((await within(client.stat("other"))).size, 5);
        }
        assertEquals(await namesIn(local.path), ["f"]);
        await assertFile(local.join("f"), "old");
      });
    }
    failure.thrown = undefined;
    await client.get("f", local.join("f"));
    await assertFile(local.join("f"), CONTENT);
    assertEquals(served.events.of("close"), []);
  });
}

Deno.test("get() goes on after a read error where it stopped", async () => {
  const failure: { thrown: Error | undefined; after: number } = { thrown: new Error("bad sector"), after: 2_500_000 };
  await using served = await Served.with({ f: CONTENT }, {}, failing(failure));
  await using local = await tempDir();
  await using client = await served.connect();
  await failsWith(client.get("f", local.join("f")), "Internal");
  failure.thrown = undefined;
  let first = Infinity;
  await client.get("f", local.join("f"), { onProgress: (done) => first = Math.min(first, done) });
  assertEquals(first, failure.after);
  await assertFile(local.join("f"), CONTENT);
});

Deno.test("put() fails with what went wrong first, even if cleaning up fails as well", async () => {
  await using served = await Served.with({}, {}, (storage) => ({
    async upload(path, options) {
      const upload = await storage.upload(path, options);
      const write = () => {
        throw new FerryError("NoSpace", "no space left on the disk");
      };
      const abort = async () => {
        await upload.abort();
        throw new Error("the controller is on fire");
      };
      return { write, abort, commit: () => upload.commit() };
    },
  }));
  await using client = await served.connect();
  const { message } = await failsWith(client.put(new Blob(["hello"]).stream(), "f"), "NoSpace");
  assertStringIncludes(message, "no space left");
  const event = served.events.of("command").at(-1);
  assertEquals([event?.command, event?.outcome], ["put", "NoSpace"]);
});

Deno.test("dir() that fails in the middle is an error, not a shorter listing", async () => {
  let broken = true;
  await using served = await Served.with({ a: "a", b: "b", c: "c" }, {}, (storage) => ({
    async *list(path, options) {
      let count = 0;
      for await (const entry of storage.list(path, options)) {
        if (broken && ++count === 3) throw Object.assign(new Error("os error 5"), { code: "EIO" });
        yield entry;
      }
    },
  }));
  await using client = await served.connect();
  let names: string[] = [];
  const list = async () => {
    names = [];
    for await (const { path } of client.dir()) names.push(path);
    return names;
  };
  await failsWith(list(), "Internal");
  // What was listed before counts.
  assertEquals(names, ["a", "b"]);
  assertStringIncludes(served.events.of("command").at(-1)?.detail ?? "", "os error 5");
  broken = false;
  assertEquals(await list(), ["a", "b", "c"]);
});

/** Ways in which the served directory itself goes away; each is given its path and that of a directory beside it. */
const REPLACEMENTS: Readonly<Record<string, (root: string, beside: string) => Promise<void>>> = {
  "gone": () => Promise.resolve(),
  "a file": (root) => Deno.writeTextFile(root, "file"),
  "a link to another directory": (root, beside) => Deno.symlink(beside, root),
  "a link to itself": (root) => Deno.symlink(root, root),
  "a link to nothing": (root) => Deno.symlink("nothing", root),
};

for (const [what, replace] of Object.entries(REPLACEMENTS)) {
  Deno.test({
    name: `serve() shows and changes nothing while its directory is ${what}, and goes on when it is back`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using served = await Served.with({ f: "content", "d/f": "content" });
      await using local = await tempDir();
      await Deno.writeTextFile(local.join("source"), "new");
      const [root, away, beside] = [served.join(), served.outer.join("away"), served.outer.join("beside")];
      await Deno.mkdir(`${beside}/d`, { recursive: true });
      for (const name of ["f", "d/f"]) await Deno.writeTextFile(`${beside}/${name}`, "secret");
      await using client = await served.connect();
      using peer = await RawPeer.greeted(served.address);
      await peer.send("request", { command: "put", path: "half", shared: true });
      assertEquals((await peer.receive())?.kind, "ready");
      const operations: Record<string, () => Promise<unknown>> = {
        "stat of all": () => client.stat(),
        "dir": () => Array.fromAsync(client.dir(undefined, { recursive: true })),
        "stat": () => client.stat("f"),
        "get": () => client.get("f", local.join("got")),
        "sum": () => client.sum("d/f"),
        "put": () => client.put(local.join("source"), "new"),
        "put over": () => client.put(local.join("source"), "f"),
        "mkdir": () => client.mkdir("made/deep", { parents: true }),
        "rename": () => client.rename("d/f", "d/renamed"),
        "remove": () => client.remove("d", { recursive: true }),
      };

      await Deno.rename(root, away);
      await replace(root, beside);
      for (const [name, operation] of Object.entries(operations)) {
        const error = await within(operation().then(() => undefined, (error: unknown) => error));
        assert(error instanceof FerryError, `${name} succeeded`);
        assert(["NotFound", "NotADirectory"].includes(error.code), `${name}: ${error.code} ${error.message}`);
        assert(!error.message.includes(root), error.message);
      }
      await peer.sendAll(["data", bytes(10)], ["end", { size: 10 }]);
      assert(["Changed", "NotFound", "NotADirectory"].includes((await peer.answer()).outcome));
      assertEquals(await namesIn(local.path), ["source"]);
      assertEquals(await namesIn(beside), ["d", "f"]);
      assertEquals(await namesIn(`${beside}/d`), ["f"]);
      await assertFile(`${beside}/f`, "secret");
      const names = what === "gone" ? ["away", "beside"] : ["away", "beside", "root"];
      assertEquals(await namesIn(served.outer.path), names);

      if (what !== "gone") await Deno.remove(root);
      await Deno.rename(away, root);
      for (const operation of Object.values(operations)) await operation();
      await assertFile(local.join("got"), "content");
      assertEquals(await namesIn(root), ["f", "made", "new"]);
      assertEquals(served.events.of("close"), []);
    },
  });
}

Deno.test("serve() serves the directory that was put in the place of its own", async () => {
  await using served = await Served.with({ f: "old" });
  await using client = await served.connect();
  await Deno.rename(served.join(), served.outer.join("away"));
  await failsWith(client.stat("f"), "NotFound");
  await Deno.mkdir(served.join());
  assertEquals(await Array.fromAsync(client.dir()), []);
  await client.put(new Blob(["new"]).stream(), "f");
  await assertFile(served.join("f"), "new");
  await assertFile(served.outer.join("away", "f"), "old");
});

Deno.test({
  name: "DirectoryStorage does not follow a link that was put in the place of a directory above its root",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using served = await Served.with();
    await using client = await served.connect();
    await Deno.rename(served.outer.path, `${served.outer.path}-moved`);
    await Deno.symlink(`${served.outer.path}-moved`, served.outer.path);
    try {
      await failsWith(client.stat(), "NotFound");
      await failsWith(Array.fromAsync(client.dir()), "NotFound");
    } finally {
      await Deno.remove(served.outer.path);
      await Deno.rename(`${served.outer.path}-moved`, served.outer.path);
    }
    assertEquals((await client.stat()).kind, "directory");
  },
});
