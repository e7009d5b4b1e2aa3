import { assert, assertEquals } from "@std/assert";
import { type Client, connect, FerryError } from "../../lib/mod.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { frameBytes, header } from "../helpers/frames.ts";
import { bytes, Random } from "../helpers/random.ts";
import {
  assertFile,
  Collector,
  failsWith,
  FakeServer,
  type Kind,
  namesIn,
  type RawPeer,
  within,
} from "../helpers/raw.ts";
import { at } from "../helpers/storage.ts";
import { type TempDir, tempDir } from "../helpers/temp.ts";
import { RIGHTS } from "../../lib/protocol/commands.ts";

const HELLO = new TextEncoder().encode("hello");

const READY = { size: 5, mtimeMs: 0, version: "v" };

/** A right answer to a `get`. */
const GOOD: [Kind, unknown][] = [["ready", READY], ["data", HELLO], ["end", { size: 5 }], ["ok", {}]];

/** A server that answers every request with the same frames. */
function answering(...frames: [Kind, unknown?][]): FakeServer {
  return FakeServer.welcoming(async (peer) => {
    while (await receiveRequest(peer)) await peer.sendAll(...frames);
  });
}

/** The next request; the bodies of earlier ones are passed over. */
async function receiveRequest(peer: RawPeer): Promise<unknown> {
  for (;;) {
    const frame = await peer.receive();
    if (!frame || frame.kind === "request") return frame;
  }
}

/** Fails unless `get` of a file fails with a typed error and leaves the local directory as it was. */
async function assertGetFails(client: Client, local: TempDir): Promise<FerryError> {
  await Deno.writeTextFile(local.join("old"), "old");
  const error = await failsWith(client.get("a", local.join("old")), "BadRequest", "Corrupt", "Disconnected", "Busy");
  await assertFile(local.join("old"), "old");
  assertEquals(await namesIn(local.path), ["old"]);
  return error;
}

const BROKEN_GETS: Record<string, [Kind, unknown?][]> = {
  "nothing but ok": [["ok", {}]],
  "data before ready": [["data", HELLO], ["ready", READY], ["end", { size: 5 }], ["ok", {}]],
  "no end": [["ready", READY], ["data", HELLO], ["ok", {}]],
  "end before ready": [["end", { size: 5 }], ["ready", READY], ["data", HELLO], ["ok", {}]],
  "end before data": [["ready", READY], ["end", { size: 5 }], ["data", HELLO], ["ok", {}]],
  "more than announced": [["ready", READY], ["data", HELLO], ["data", HELLO], ["end", { size: 10 }], ["ok", {}]],
  "more than announced, denied": [["ready", READY], ["data", HELLO], ["data", HELLO], ["end", { size: 5 }], ["ok", {}]],
  "more after the end": [...GOOD.slice(0, 3), ["data", HELLO], ["ok", {}]],
  "less than announced": [["ready", { ...READY, size: 6 }], ["data", HELLO], ["end", { size: 5 }], ["ok", {}]],
  "less than announced, denied": [
    ["ready", { ...READY, size: 6 }],
    ["data", HELLO],
    ["end", { size: 6 }],
    ["ok", {}],
  ],
  "wrong size at the end": [["ready", READY], ["data", HELLO], ["end", { size: 4 }], ["ok", {}]],
  "two ready": [["ready", READY], ...GOOD],
  "another size in a second ready": [
    ["ready", READY],
    ["data", HELLO],
    ["data", HELLO],
    ["ready", { ...READY, size: 10 }],
    ["end", { size: 10 }],
    ["ok", {}],
  ],
  "a listing": [["entries", []], ["ok", { entries: 0 }]],
  "a negative size": [["ready", { ...READY, size: -5 }], ...GOOD.slice(1)],
  "a fractional size": [["ready", { ...READY, size: 4.5 }], ...GOOD.slice(1)],
  "a time that no date can hold": [["ready", { ...READY, mtimeMs: 1e17 }], ...GOOD.slice(1)],
  "no version": [["ready", { size: 5, mtimeMs: 0 }], ...GOOD.slice(1)],
  "bad JSON": [["ready", new TextEncoder().encode("{")], ...GOOD.slice(1)],
  "bad UTF-8": [["ready", Uint8Array.of(0x22, 0xff, 0x22)], ...GOOD.slice(1)],
  "null": [["ready", null], ...GOOD.slice(1)],
  "an empty ok": [...GOOD.slice(0, 3), ["ok"]],
  "ok of another kind": [...GOOD.slice(0, 3), ["ok", []]],
  "hello": [["hello", { ferry: [1] }], ...GOOD],
  "request": [["request", { command: "get", path: "/etc/passwd" }], ...GOOD],
  "cancel": [["cancel", { request: 1 }], ...GOOD],
  "error without fields": [["error", {}]],
  "error of an unknown code": [["error", { code: "Nonsense", message: "x" }]],
};

Deno.test("get() of a server that answers wrongly fails, and no file appears", async (t) => {
  for (const [what, frames] of Object.entries(BROKEN_GETS)) {
    await t.step(what, async () => {
      await using fake = answering(...frames);
      await using local = await tempDir();
      await using client = await connect(fake.address);
      await assertGetFails(client, local);
    });
  }
});

Deno.test("get() to a stream from a server that answers wrongly fails, and the stream is aborted", async (t) => {
  for (const [what, frames] of Object.entries(BROKEN_GETS)) {
    await t.step(what, async () => {
      await using fake = answering(...frames);
      await using client = await connect(fake.address);
      const end = Promise.withResolvers<string>();
      const target = new WritableStream<Uint8Array>({
        close: () => end.resolve("closed"),
        abort: () => end.resolve("aborted"),
      });
      await failsWith(client.get("a", target), "BadRequest", "Corrupt", "Disconnected");
      assertEquals(await within(end.promise, "the end of the stream"), "aborted");
    });
  }
});

Deno.test("get() of a good answer works, so that the tests above fail for their own reasons", async () => {
  await using fake = answering(...GOOD);
  await using local = await tempDir();
  await using client = await connect(fake.address);
  await client.get("a", local.join("a"));
  await assertFile(local.join("a"), "hello");
  const target = new Collector();
  await client.get("a", target);
  assertEquals(target.bytes, HELLO);
});

Deno.test("get() of a server that goes away at any point fails, and no file appears", async (t) => {
  for (const count of GOOD.keys()) {
    await t.step(`after ${count} frames`, async () => {
      await using fake = FakeServer.welcoming(async (peer) => {
        await peer.receive();
        await peer.sendAll(...GOOD.slice(0, count));
      });
      await using local = await tempDir();
      await using client = await connect(fake.address);
      assertEquals((await assertGetFails(client, local)).code, "Disconnected");
    });
  }
});

Deno.test("get() of an error that comes after data fails with it, and the client stays usable", async () => {
  await using fake = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    await peer.sendAll(...GOOD.slice(0, 2), ["error", { code: "Busy", message: "not now", path: "a" }]);
    await receiveRequest(peer);
    await peer.sendAll(...GOOD);
  });
  await using local = await tempDir();
  await using client = await connect(fake.address);
  assertEquals((await assertGetFails(client, local)).code, "Busy");
  await client.get("a", local.join("a"));
  await assertFile(local.join("a"), "hello");
});

Deno.test("frames that are no frames end the connection with a typed error", async (t) => {
  const damaged = frameBytes(FrameKind.ok, "{}");
  damaged[9] = (damaged[9] ?? 0) ^ 4;
  for (
    const [what, input] of Object.entries({
      "an oversized control frame": header(FrameKind.ok, 64 * 1024 + 1),
      "an oversized data frame": header(FrameKind.data, 1024 * 1024 + 1),
      "the largest length": header(FrameKind.data, 2 ** 32 - 1),
      "an unknown kind": frameBytes(13),
      "kind 0": frameBytes(0),
      "text": new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"),
      "a wrong CRC": damaged,
    })
  ) {
    await t.step(what, async () => {
      await using fake = FakeServer.welcoming(async (peer) => {
        await peer.receive();
        await peer.sendAll(...GOOD.slice(0, 2));
        await peer.sendBytes(input);
      });
      await using local = await tempDir();
      await using client = await connect(fake.address);
      await assertGetFails(client, local);
      assert(["BadRequest", "Corrupt"].includes((await within(client.ended)).code));
      await failsWith(client.stat(), "BadRequest", "Corrupt", "Disconnected");
    });
  }
});

Deno.test("a frame that nobody asked for ends the connection", async (t) => {
  for (
    const [kind, value] of [
      ["ok", {}],
      ["data", HELLO],
      ["ready", READY],
      ["entries", []],
      ["end", { size: 0 }],
      ["error", { code: "NotFound", message: "no such file" }],
      ["hello", { ferry: [1] }],
      ["cancel", { request: 1 }],
      ["request", { command: "get", path: "a" }],
      ["notice", { text: 7, reason: "message" }],
      ["notice", { text: "x", reason: "nonsense" }],
    ] as [Kind, unknown][]
  ) {
    await t.step(`${kind} ${value === HELLO ? "" : JSON.stringify(value)}`, async () => {
      await using fake = FakeServer.welcoming((peer) => peer.send(kind, value));
      await using client = await connect(fake.address);
      const reason = await within(client.ended);
      assert(reason instanceof FerryError);
      await failsWith(client.stat(), reason.code);
    });
  }
});

Deno.test("connect() to a server that greets wrongly fails", async (t) => {
  for (
    const [what, frames] of Object.entries<[Kind, unknown?][]>({
      "no list": [["hello", { ferry: 1 }]],
      "no JSON": [["hello", new TextEncoder().encode("hello")]],
      "another kind": [["ok", { ferry: [1] }]],
      "no welcome": [["hello", { ferry: [1] }], ["notice", { text: "x", reason: "message" }]],
      "no window": [["hello", { ferry: [1] }], ["ok", { allows: [...RIGHTS] }]],
      "negative window": [["hello", { ferry: [1] }], ["ok", { allows: [...RIGHTS], window: -1 }]],
      "no room for any request": [["hello", { ferry: [1] }], ["ok", { allows: [...RIGHTS], window: 0 }]],
    })
  ) {
    await t.step(what, async () => {
      await using fake = new FakeServer(async (peer) => {
        await peer.sendAll(...frames);
      });
      await failsWith(connect(fake.address), "Unreachable", "BadRequest");
    });
  }
});

Deno.test("dir() takes no name that leads out of the directory", async (t) => {
  const names = ["../x", "/etc/passwd", "..", ".", "", "a/../../x", "a//b", "a/", "a\0b", "x".repeat(256), ".ferry-x"];
  for (const path of names) {
    await t.step(Deno.inspect(path.slice(0, 20)), async () => {
      const entry = { path, kind: "file", size: 1, mtimeMs: 0 };
      await using fake = answering(["entries", [{ ...entry, path: "good" }, entry]], ["ok", { entries: 2 }]);
      await using client = await connect(fake.address);
      const seen: string[] = [];
      const list = async () => {
        for await (const { path } of client.dir()) seen.push(path);
      };
      await failsWith(list(), "BadRequest");
      assertEquals(seen.filter((name) => name !== "good"), []);
    });
  }
});

Deno.test("dir() of a server that answers wrongly fails", async (t) => {
  const entry = { path: "a", kind: "file", size: 1, mtimeMs: 0 };
  for (
    const [what, frames] of Object.entries<[Kind, unknown?][]>({
      "no list": [["entries", entry], ["ok", { entries: 1 }]],
      "null": [["entries", [null]], ["ok", { entries: 1 }]],
      "no path": [["entries", [{ ...entry, path: undefined }]], ["ok", { entries: 1 }]],
      "another kind of thing": [["entries", [{ ...entry, kind: "device" }]], ["ok", { entries: 1 }]],
      "a negative size": [["entries", [{ ...entry, size: -1 }]], ["ok", { entries: 1 }]],
      "no count": [["entries", [entry]], ["ok", {}]],
      "fewer entries than counted": [["entries", [entry]], ["ok", { entries: 2 }]],
      "more entries than counted": [["entries", [entry, { ...entry, path: "b" }]], ["ok", { entries: 1 }]],
      "data": [["data", HELLO], ["ok", { entries: 0 }]],
      "ready": [["ready", READY], ["ok", { entries: 0 }]],
    })
  ) {
    await t.step(what, async () => {
      await using fake = answering(...frames);
      await using client = await connect(fake.address);
      await failsWith(Array.fromAsync(client.dir()), "BadRequest", "Corrupt");
    });
  }
});

/** What a server answers to an `offer` when it has kept nothing. */
const NOTHING_KEPT = { covered: 0, blockSize: 2 ** 20, hashes: "", kept: "" };

Deno.test("put() fails when the receipt is not about what was sent", async (t) => {
  const receipt = { path: "f", size: 5, mtimeMs: 0, version: "v", durable: false };
  for (
    const [what, wrong] of Object.entries({
      "another size": { size: 4 },
      "another path": { path: "g" },
      "no size": { size: undefined },
      "no version": { version: undefined },
      "a text as size": { size: "5" },
    })
  ) {
    for (const offers of [false, true]) {
      await t.step(`${what}${offers ? ", after an offer" : ""}`, async () => {
        await using fake = FakeServer.welcoming(async (peer) => {
          await receiveRequest(peer);
          if (offers) await peer.send("ok", NOTHING_KEPT);
          for (let frame = await peer.receive(); frame?.kind !== "end"; frame = await peer.receive()) assert(frame);
          await peer.send("ok", { ...receipt, ...wrong });
        });
        await using local = await tempDir();
        await Deno.writeFile(local.join("source"), HELLO);
        await using client = await connect(fake.address);
        const source = offers ? new Blob([HELLO]).stream() : local.join("source");
        await failsWith(client.put(source, "f"), "BadRequest", "Corrupt");
      });
    }
  }
});

Deno.test("put() does not believe a receipt that comes before the file was sent", async () => {
  const size = 3_000_000;
  const receipt = { path: "f", size, mtimeMs: 0, version: "v", durable: false };
  await using fake = answering(["ok", NOTHING_KEPT], ["ok", receipt]);
  await using local = await tempDir();
  await Deno.writeFile(local.join("source"), bytes(size));
  await using client = await connect(fake.address);
  await failsWith(client.put(local.join("source"), "f"), "BadRequest", "Corrupt");
});

Deno.test("put() of a server that refuses while the body comes stops sending", async () => {
  let received = 0;
  await using fake = FakeServer.welcoming(async (peer) => {
    await receiveRequest(peer);
    await peer.send("ok", NOTHING_KEPT);
    await receiveRequest(peer);
    await peer.send("error", { code: "NoSpace", message: "no space left", path: "f" });
    for (let frame = await peer.receive(); frame?.kind === "data"; frame = await peer.receive()) {
      received += frame.payload.length;
    }
    await receiveRequest(peer);
    await peer.sendAll(["ok", { kind: "directory", size: 0, mtimeMs: 0, version: "v" }]);
  });
  await using local = await tempDir();
  await Deno.writeFile(local.join("source"), new Uint8Array(0));
  await Deno.truncate(local.join("source"), 2 ** 32);
  await using client = await connect(fake.address);
  await failsWith(client.put(local.join("source"), "f"), "NoSpace");
  assertEquals((await within(client.stat())).kind, "directory");
  assert(received < 2 ** 31);
});

Deno.test("stat() and sum() of a server that answers wrongly fail", async (t) => {
  for (
    const [what, frames] of Object.entries<[Kind, unknown?][]>({
      "empty": [["ok", {}]],
      "list": [["ok", []]],
      "null": [["ok", null]],
      "bad JSON": [["ok", new TextEncoder().encode("{")]],
      "ready": [["ready", READY], ["ok", { kind: "file", ...READY, sha256: "x" }]],
      "data": [["data", HELLO], ["ok", { kind: "file", ...READY, sha256: "x" }]],
    })
  ) {
    await t.step(what, async () => {
      await using fake = answering(...frames);
      await using first = await connect(fake.address);
      await failsWith(first.stat("a"), "BadRequest");
      await using second = await connect(fake.address);
      await failsWith(second.sum("a"), "BadRequest");
    });
  }
});

Deno.test("no random or damaged answer makes the client hang, crash or show a wrong file", async () => {
  const random = new Random(815);
  const good = GOOD.map(([kind, value]) =>
    frameBytes(FrameKind[kind], value instanceof Uint8Array ? value : JSON.stringify(value))
  );
  const stream = new Uint8Array(await new Blob(good).arrayBuffer());
  await using local = await tempDir();
  for (let i = 0; i < 150; i++) {
    const input = i % 3 === 0 ? random.bytes(random.below(500)) : random.damage(stream);
    await using fake = FakeServer.welcoming(async (peer) => {
      await peer.receive();
      await peer.sendBytes(input);
    });
    await using client = await connect(fake.address);
    const result = await within(client.get("a", local.join(`f${i}`)).catch((error: unknown) => error));
    if (result instanceof FerryError) assertEquals(await namesIn(local.path), [], `round ${i}`);
    else {
      await assertFile(local.join(`f${i}`), "hello");
      await Deno.remove(local.join(`f${i}`));
    }
  }
});

Deno.test("dir() ends with the answer, wherever empty frames lie between", async (t) => {
  for (const sizes of [[1, 0], [0, 0], [0, 1], [1, 1, 0, 0, 1]]) {
    await t.step(sizes.join(), async () => {
      let count = 0;
      const file = () => ({ path: `f${count++}`, kind: "file", size: 1, mtimeMs: 0 });
      const frames = sizes.map((size): [Kind, unknown] => ["entries", Array.from({ length: size }, file)]);
      await using fake = answering(...frames, ["ok", { entries: count }]);
      await using client = await connect(fake.address);
      assertEquals((await within(Array.fromAsync(client.dir()))).length, count);
    });
  }
});

Deno.test("read() of a version fails when the server sends another one", async () => {
  await using fake = answering(...GOOD);
  await using client = await connect(fake.address);
  const reader = await client.storage.read(at("a"), { ifVersion: "v" });
  reader.close();
  await failsWith(client.storage.read(at("a"), { ifVersion: "w" }), "Changed");
});

Deno.test("put() that asked for a sync fails when the server did none", async () => {
  await using local = await tempDir();
  for (const size of [5, 2_000_000]) {
    await Deno.writeFile(local.join("f"), bytes(size));
    await using fake = answering(["ok", { path: "f", size, mtimeMs: 0, version: "v", durable: false }]);
    await using client = await connect(fake.address);
    assertEquals((await client.put(local.join("f"), "f", { resume: false })).size, size);
    const error = await failsWith(client.put(local.join("f"), "f", { resume: false, durable: true }), "Unsupported");
    assertEquals(error.message, 'Cannot put "f": the server has stored it, but did not sync it to its disk');
  }
});
