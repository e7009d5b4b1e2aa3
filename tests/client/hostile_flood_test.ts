import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { connect, ConnectionPool, listAgain, RemoteStorage, Retry } from "../../lib/mod.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import { Collector, failsWith, FakeServer, type Kind, namesIn, type RawPeer, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { transferTree } from "../helpers/trees.ts";
import { file, flood, flooding, growth } from "../helpers/floods.ts";

const MIB = 1024 * 1024;

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

Deno.test("copyTree() writes nothing twice, whatever is listed twice or out of order", async (t) => {
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

Deno.test("copyTree() counts what was received, not what was listed", async () => {
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
    for await (const { path } of listAgain(place, { retry: new Retry({ retryMs: 1_000 }) })) seen.push(path);
  };
  await failsWith(list().then(() => "done"), "Disconnected");
  assertEquals(seen, ["a"]);
  assertLess(listings, 10);
});
