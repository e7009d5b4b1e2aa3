import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../lib/core/remote_path.ts";
import { ConnectionPool, type FerryError, RemoteStorage } from "../../lib/mod.ts";
import { MovedClock } from "../helpers/clock.ts";
import { eventually } from "../helpers/process.ts";
import { bytes } from "../helpers/random.ts";
import { failsWith, namesIn, RawPeer, Served, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { runCommand, transferTree } from "../helpers/trees.ts";

const MESSAGE = "the server's operator has ended the session: disk full soon";

Deno.test("FerryServer.kick() ends one session, tells its client why, and leaves the others", async () => {
  await using served = await Served.with({ "a.txt": "abc" });
  await using other = await served.connect();
  await using client = await served.connect();
  const [, session] = served.server.sessions;
  assert(session);
  assertEquals(served.server.kick(99), false);
  assertEquals(served.server.kick(session.id, "disk full soon"), true);
  const { code, message } = await within(client.ended);
  assertEquals([code, message], ["Kicked", MESSAGE]);
  await failsWith(client.stat("a.txt"), "Kicked");
  assertEquals((await served.events.until("close")).map(({ session, reason }) => [session, reason]), [[2, MESSAGE]]);
  assertEquals((await other.stat("a.txt")).size, 3);
});

Deno.test("FerryServer.kick() ends what is under way, and keeps the part of an upload that has come", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(["request", { command: "put", path: "x", size: 6 }], ["data", bytes(3)]);
  await eventually("the first bytes have come", () => served.server.sessions[0]?.operation?.bytes === 3);
  served.server.kick(1);
  const { outcome, fields } = await peer.answer();
  assertEquals([outcome, fields.message], ["disconnect Kicked", "the server's operator has ended the session"]);
  await peer.conn.closeWrite();
  await served.events.until("close");
  assertEquals(served.events.of("command").map(({ command, outcome }) => [command, outcome]), [[
    "put",
    "Disconnected",
  ]]);
  assertEquals((await namesIn(served.join())).filter((name) => !name.endsWith(".part")), []);
});

for (const connections of [1, 3]) {
  Deno.test(`a tree over ${connections} connections ends when one is kicked, and nothing connects again`, async () => {
    const files = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`f${i}`, bytes(2000, i)]));
    let reads = 0;
    await using served = await Served.with(files, {}, (storage) => ({
      read: (...args) => {
        if (++reads === 100) served.server.kick(served.server.sessions.at(-1)?.id ?? 0);
        return storage.read(...args);
      },
    }));
    await using local = await tempDir();
    const ends = { direction: "get", address: served.address, local: local.path } as const;
    const { message } = await failsWith(transferTree(ends, { connections, retryMs: 10_000 }), "Kicked");
    assert(message.endsWith("the server's operator has ended the session"), message);
    // The server hears of a connection that came in between when it has answered this one.
    (await RawPeer.greeted(served.address))[Symbol.dispose]();
    await eventually("all have left", () => served.server.sessions.length === 0);
    assert(served.events.of("open").length <= connections + 1, `${served.events.of("open").length} connections`);
    assert((await namesIn(local.path)).length < 2000);
  });
}

Deno.test("a command with several sources ends at a kick", async () => {
  const names = ["a", "b", "c"];
  await using served = await Served.with(Object.fromEntries(names.map((name) => [name, name])), {}, (storage) => ({
    read: (...args) => {
      served.server.kick(1);
      return storage.read(...args);
    },
  }));
  await using local = await tempDir();
  await Deno.mkdir(local.join("to"));
  const { code, news } = await runCommand(served.address, local.path, ["get", ...names, "to/"]);
  assertEquals(code, 4);
  assertEquals(news.split("\n").filter((line) => line.startsWith("Cannot get")), [
    'Cannot get "a": the server\'s operator has ended the session',
  ]);
  assertEquals(served.events.of("open").length, 1);
});

Deno.test("ConnectionPool tells of a kick once, and connects again for what is asked a second later", async () => {
  using clock = new MovedClock();
  await using served = await Served.with();
  const lost = Promise.withResolvers<FerryError>();
  await using pool = new ConnectionPool({ ...served.address, onLost: lost.resolve });
  await pool.connect();
  served.server.kick(1);
  assertEquals((await within(lost.promise)).code, "Kicked");
  await failsWith(pool.connect(), "Kicked");
  clock.forward(1000);
  assertEquals((await new RemoteStorage(pool).stat(ROOT)).kind, "directory");
});
