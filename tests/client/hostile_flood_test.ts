import { setImmediate } from "node:timers/promises";
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { connect, ConnectionPool, type Entry, listAgain, RemoteStorage, Retry } from "../../lib/mod.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import { concat, frameBytes } from "../helpers/frames.ts";
import { Collector, failsWith, FakeServer, type Kind, namesIn, type RawPeer, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { transferTree } from "../helpers/trees.ts";

const MIB = 1024 * 1024;

function file(path: string): Entry {
  return { path, kind: "file", size: 1, mtimeMs: 0 };
}

function encode(kind: Kind, value: unknown): Uint8Array {
  return frameBytes(FrameKind[kind], JSON.stringify(value));
}

/** Many frames of one kind in one piece. */
function flood(kind: Kind, value: unknown): Uint8Array {
  const one = encode(kind, value);
  return concat(...Array<Uint8Array>(Math.ceil(256 * 1024 / one.length)).fill(one));
}

/** A server that answers the first request with one piece after the other, without end; it counts their bytes. */
function flooding(next: () => Uint8Array): { server: FakeServer; sent: () => number } {
  let sent = 0;
  const server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    for (;;) {
      const piece = next();
      await peer.sendBytes(piece);
      sent += piece.length;
    }
  });
  return { server, sent: () => sent };
}

/** Pieces of a listing without end, with names of 200 characters in order. */
function endlessListing(): () => Uint8Array {
  let i = 0;
  const name = () => String(i++).padStart(12, "0") + "n".repeat(188);
  return () =>
    concat(...Array.from({ length: 8 }, () => encode("entries", Array.from({ length: 150 }, () => file(name())))));
}

/** How many bytes of memory are in use more than at the beginning. */
function growth(): () => number {
  const before = Deno.memoryUsage().rss;
  return () => Deno.memoryUsage().rss - before;
}

Deno.test("endless frames that nobody asked for end with an error at once", async (t) => {
  const READY = { size: 5, mtimeMs: 0, version: "v" };
  for (const [kind, value] of [["ready", READY], ["entries", [file("a")]], ["end", { size: 0 }]] as [Kind, unknown][]) {
    await t.step(`${kind} for stat`, async () => {
      const { server, sent } = flooding(() => flood(kind, value));
      await using _server = server;
      await using client = await connect(server.address);
      await failsWith(client.stat("a"), "BadRequest");
      assertEquals((await within(client.ended)).code, "BadRequest");
      assertLess(sent(), 32 * MIB);
    });
  }
  await t.step("ready for get", async () => {
    const { server, sent } = flooding(() => flood("ready", READY));
    await using _server = server;
    const grown = growth();
    await using client = await connect(server.address);
    await failsWith(client.get("a", new Collector()), "BadRequest");
    assertEquals((await within(client.ended)).code, "BadRequest");
    assertLess(sent(), 32 * MIB);
    assertLess(grown(), 100 * MIB);
  });
});

Deno.test("endless notices and signs of life cost no memory, and leave the client to its user", async (t) => {
  const floods: Record<string, [piece: Uint8Array, bytes: number]> = {
    "notices": [flood("notice", { text: "x".repeat(1000), reason: "message" }), 64 * MIB],
    // They are small, so that each byte takes longer.
    "signs of life": [concat(...Array<Uint8Array>(30_000).fill(frameBytes(FrameKind.alive))), 8 * MIB],
  };
  for (const [what, [piece, bytes]] of Object.entries(floods)) {
    await t.step(what, async () => {
      const { server, sent } = flooding(() => piece);
      await using _server = server;
      const grown = growth();
      await using client = await connect(server.address);
      const stop = new AbortController();
      const stat = client.stat("a", { signal: stop.signal }).then(() => "ok", ({ code }) => code);
      let slowest = 0;
      const start = performance.now();
      while (sent() < bytes) {
        assertLess(performance.now() - start, 30_000);
        const began = performance.now();
        await new Promise((resolve) => setTimeout(resolve));
        slowest = Math.max(slowest, performance.now() - began);
      }
      assertLess(grown(), 100 * MIB);
      // The user's own signals come through.
      assertLess(slowest, 500);
      stop.abort();
      assertEquals(await within(stat), "Cancelled");
    });
  }
});

Deno.test("dir() of a listing without end holds the server up, and can be cancelled", async () => {
  const { server, sent } = flooding(endlessListing());
  await using _server = server;
  const grown = growth();
  await using client = await connect(server.address);
  const stop = new AbortController();
  const entries = client.dir(undefined, { signal: stop.signal });
  await within(entries.next());
  for (let last = -1; last !== sent();) {
    last = sent();
    for (let i = 0; i < 200; i++) await setImmediate();
  }
  // What the sockets' buffers hold, and little more.
  assertLess(sent(), 24 * MIB);
  assertLess(grown(), 100 * MIB);
  stop.abort();
  await failsWith(Array.fromAsync(entries), "Cancelled");
});

Deno.test("dir() of a listing without end holds the server up, too, when another command is made, which goes elsewhere", async () => {
  let connections = 0;
  let sent = 0;
  const next = endlessListing();
  await using server = FakeServer.welcoming(async (peer) => {
    const isFirst = ++connections === 1;
    await peer.receive();
    if (!isFirst) await peer.sendAll(["ok", { kind: "file", size: 1, mtimeMs: 0, version: "v" }]);
    for (; isFirst; sent++) await peer.sendBytes(next());
    await peer.receive();
  });
  const grown = growth();
  await using client = await connect(server.address);
  const entries = client.dir();
  await within(entries.next());
  assertEquals((await within(client.stat("a"))).size, 1);
  for (let last = -1; last !== sent;) {
    last = sent;
    for (let i = 0; i < 200; i++) await setImmediate();
  }
  assertLess(grown(), 100 * MIB);
  assertEquals(connections, 2);
  await entries.return?.();
});

/** Answers every `get` with one byte, and the listing with `entries`; counts the requests for each path. */
function listing(...entries: unknown[]): { server: FakeServer; asked: Map<string, number> } {
  const asked = new Map<string, number>();
  const server = FakeServer.welcoming(async (peer: RawPeer) => {
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      const { command, path = "" } = (frame.value ?? {}) as { command?: string; path?: string };
      if (command === "dir") await peer.sendAll(["entries", entries], ["ok", { entries: entries.length }]);
      if (command === "close") return await peer.send("ok", {});
      if (command !== "get") continue;
      asked.set(path, (asked.get(path) ?? 0) + 1);
      const ready = { size: 1, mtimeMs: 1_600_000_000_000, version: "v" };
      await peer.sendAll(["ready", ready], ["data", Uint8Array.of(120)], ["end", { size: 1 }], ["ok", {}]);
    }
  });
  return { server, asked };
}

Deno.test("TreeTransfer.run() writes nothing twice, whatever is listed twice or out of order", async (t) => {
  for (const paths of [["a", "a"], ["b", "a"], ["a", "b", "a"], ["d/x", "d/x"], ["d", "d/x", "c"]]) {
    await t.step(paths.join(" "), async () => {
      const { server, asked } = listing(...paths.map(file));
      await using _server = server;
      await using local = await tempDir();
      const error = await failsWith(
        transferTree({ direction: "get", address: server.address, local: local.path }),
        "BadRequest",
      );
      assertStringIncludes(error.message, "not in order");
      assert([...asked.values()].every((times) => times === 1), Deno.inspect(asked));
    });
  }
});

Deno.test("TreeTransfer.run() counts what was received, not what was listed", async () => {
  const { server } = listing({ ...file("a"), size: 1_000_000_000 }, { ...file("b"), size: 0 });
  await using _server = server;
  await using local = await tempDir();
  const { bytesDone, filesDone, failures } = await transferTree({
    direction: "get",
    address: server.address,
    local: local.path,
  });
  assertEquals([bytesDone, filesDone, failures], [2, 2, []]);
  assertEquals(await namesIn(local.path), ["a", "b"]);
});

Deno.test("disconnect gives every request that is not answered its reason", async (t) => {
  for (const code of ["Timeout", "ShuttingDown", "BadRequest", "Internal"] as const) {
    await t.step(code, async () => {
      await using server = FakeServer.welcoming(async (peer) => {
        for (let i = 0; i < 3; i++) await peer.receive();
        await peer.send("disconnect", { code, message: "so it is" });
      }, { window: 3 });
      const local = await tempDir();
      await using _local = local;
      await using client = await connect(server.address);
      const asked = [
        client.stat("a"),
        client.get("b", local.join("b")),
        Array.fromAsync(client.dir("c")),
        // These wait for room, and for their turn.
        client.sum("d"),
        client.mkdir("e"),
        client.put(new Blob(["hello"]).stream(), "f"),
      ];
      const errors = await Promise.all(asked.map((each) => failsWith(each, code)));
      for (const { message } of errors) assertStringIncludes(message, ": so it is");
      assertEquals((await within(client.ended)).message, "so it is");
      assertStringIncludes((await failsWith(client.stat(), code)).message, "so it is");
    });
  }
});

Deno.test("no payload of error, ok, notice or disconnect does harm", async (t) => {
  const deep = "[".repeat(30_000) + "]".repeat(30_000);
  const payloads: Record<string, string> = {
    "deep": deep,
    "deep in a field": `{"code":"NotFound","message":"m","path":${deep}}`,
    "a prototype": '{"__proto__":{"code":"NotFound","message":"m"},"kind":"file"}',
    "a constructor": '{"constructor":{"prototype":{"x":1}},"code":"toString","message":"m"}',
    "half a character": '{"code":"NotFound","message":"\\ud800"}',
    "many keys": `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":${i}`).join()}}`,
    "a large number": '{"kind":"file","size":1e400,"mtimeMs":0,"version":"v"}',
    "a text": '"NotFound"',
    "empty": "",
  };
  for (const kind of ["error", "ok", "notice", "disconnect"] as const) {
    for (const [what, payload] of Object.entries(payloads)) {
      await t.step(`${kind}: ${what}`, async () => {
        await using server = FakeServer.welcoming(async (peer) => {
          await peer.receive();
          await peer.send(kind, new TextEncoder().encode(payload));
        });
        await using client = await connect(server.address);
        await failsWith(client.stat("a"), "BadRequest");
        assertEquals(({} as Record<string, unknown>).x, undefined);
      });
    }
  }
});

Deno.test("an error of the greatest length is shown in part", async () => {
  const message = "x".repeat(60_000);
  await using server = FakeServer.welcoming(async (peer) => {
    for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
      await peer.send("error", { code: "NotFound", message, path: message.slice(0, 5000) });
    }
  });
  await using client = await connect(server.address);
  const error = await failsWith(client.stat("a"), "NotFound");
  assertLess(error.message.length, 5000);
  assertLess(error.path?.length ?? 0, 5000);
});

Deno.test("listAgain() goes on after a listing that was cut off, and gets no further with one that never moves", async () => {
  let listings = 0;
  await using server = FakeServer.welcoming(async (peer) => {
    await peer.receive();
    listings++;
    await peer.send("entries", [file("a")]);
  });
  await using pool = new ConnectionPool(server.address);
  const place = { storage: new RemoteStorage(pool), path: ROOT, shown: "" };
  const seen: string[] = [];
  const list = async () => {
    for await (const { path } of listAgain(place, { retry: new Retry({ retries: 3 }) })) seen.push(path);
  };
  await failsWith(list().then(() => "done"), "Disconnected");
  assertEquals(seen, ["a"]);
  assertLess(listings, 10);
});
