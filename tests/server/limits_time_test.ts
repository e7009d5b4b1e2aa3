import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DEFAULT_LIMITS } from "../../lib/access/limits.ts";
import {
  ConnectionPool,
  copyFile,
  localSource,
  RemoteStorage,
  Retry,
  type ServeOptions,
  type Storage,
} from "../../lib/mod.ts";
import { checkLater } from "../helpers/deadlines.ts";
import { eventually } from "../helpers/process.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, failsWith, RawPeer, Served, within } from "../helpers/raw.ts";
import { at } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

const MIB = 1024 * 1024;

/** A size that fits into no buffer of the system between two ends. */
const LARGE = 64 * MIB;

/** More than the stall timeout, less than the idle timeout, in ms. */
const AFTER_STALL_MS = DEFAULT_LIMITS.stallMs + 1_000;

/** More than both, in ms. */
const AFTER_IDLE_MS = DEFAULT_LIMITS.idleMs + 1_000;

const STALLED = "no progress within 360 s";
const IDLE = "no request within 3600 s";

/** Waits until the server works on a command. */
async function busyWith({ server }: Served, command: string): Promise<void> {
  const turn = async () => {
    while (!server.sessions.some((session) => session.busyWith === command)) {
      await new Promise<void>((resolve) => setTimeout(resolve, 1));
    }
  };
  await within(turn(), `the server's work on ${command}`);
}

/** Something that does not go on before it is told to. */
function gate() {
  const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const pass = async () => {
    reached.resolve();
    await opened.promise;
  };
  return { pass, reached: reached.promise, open: () => opened.resolve() };
}

/** A server on which `sum` takes as long as the test likes. */
async function slowSum(files: Record<string, string>, options: Partial<ServeOptions> = {}) {
  const { pass, reached, open } = gate();
  const operations = (storage: Storage): Partial<Storage> => ({
    digest: async (...args) => {
      await pass();
      return await storage.digest(...args);
    },
  });
  return { served: await Served.with(files, options, operations), reached, open };
}

// Idle

Deno.test("checkDeadlines() ends a session that asks for nothing, and says so at both ends", async () => {
  await using served = await Served.with({ "a.txt": "abc" });
  const client = await served.connect();
  await client.stat("a.txt");
  assertEquals(checkLater(served, AFTER_IDLE_MS - 2_000), []);
  assertEquals((await client.stat("a.txt")).size, 3);
  assertEquals(checkLater(served, AFTER_IDLE_MS), [IDLE]);
  const { code, message } = await within(client.ended, "the end of the session");
  assertEquals([code, message], ["Timeout", IDLE]);
  const [close] = await served.events.until("close");
  assertEquals(close?.reason, IDLE);
  assertEquals(served.server.sessions, []);
});

Deno.test("checkDeadlines() takes the idle time from the limits", async () => {
  await using served = await Served.with({}, { limits: { idleMs: 5_000 } });
  const client = await served.connect();
  assertEquals(checkLater(served, 4_000), []);
  await client.mkdir("still here");
  assertEquals(checkLater(served, 6_000), ["no request within 5 s"]);
  assertEquals((await within(client.ended, "the end")).message, "no request within 5 s");
});

Deno.test("ConnectionPool connects again for the next command after the idle time", async () => {
  await using served = await Served.with({ "a.txt": "abc" });
  await using pool = new ConnectionPool(served.address);
  const storage = new RemoteStorage(pool);
  await storage.stat(at("a.txt"));
  checkLater(served, AFTER_IDLE_MS);
  await served.events.until("close");
  assertEquals((await storage.stat(at("a.txt"))).size, 3);
});

Deno.test("checkDeadlines() does not end a session that waits for its own answer", async () => {
  const { served, reached, open } = await slowSum({ "a.txt": "abc" });
  await using _served = served;
  await using client = await served.connect();
  const sum = client.sum("a.txt");
  await reached;
  // What waits behind it has been asked for already, a body among it that the server must agree to first.
  const rest = Promise.all([client.stat("a.txt"), client.put(new Blob(["new"]).stream(), "new.txt")]);
  using other = await RawPeer.greeted(served.address);
  // When this is answered, what the client has sent before has arrived, too.
  await other.ask({ command: "stat" });
  assertEquals(checkLater(served, AFTER_STALL_MS), []);
  // When this is answered, what shows that the sum is on its way has been sent.
  await other.ask({ command: "stat" });
  // That is the other one.
  assertEquals(checkLater(served, AFTER_IDLE_MS), [IDLE]);
  open();
  assertEquals((await sum).size, 3);
  await within(rest, "the answers to the rest");
  await assertFile(served.join("new.txt"), "new");
});

// Stalls

Deno.test("checkDeadlines() ends a client that stops reading in a get, and closes the file", async () => {
  const closed = Promise.withResolvers<void>();
  await using served = await Served.with({ "big.dat": new Uint8Array(LARGE) }, {}, (storage) => ({
    read: async (...args) => {
      const reader = await storage.read(...args);
      const close = reader.close.bind(reader);
      reader.close = () => {
        close();
        closed.resolve();
      };
      return reader;
    },
  }));
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "get", path: "big.dat" });
  assertEquals((await peer.receive())?.kind, "ready");
  await busyWith(served, "get");
  assertEquals(checkLater(served, AFTER_STALL_MS - 2_000), []);
  assertEquals(checkLater(served, AFTER_STALL_MS), [STALLED]);
  const [close] = await served.events.until("close");
  assertEquals(close?.reason, STALLED);
  await within(closed.promise, "the end of the reader");
});

for (const [what, request] of [["of its own", {}], ["that is shared", { shared: true }]] as const) {
  Deno.test(`checkDeadlines() ends a client that stops sending in a put ${what}, and frees the name`, async () => {
    await using served = await Served.with();
    using peer = await RawPeer.greeted(served.address);
    await peer.send("request", { command: "put", path: "x.dat", size: 6, ...request });
    if ("shared" in request) assertEquals((await peer.receive())?.kind, "ready");
    await peer.send("data", bytes(3));
    await busyWith(served, "put");
    await using client = await served.connect();
    await failsWith(client.put(new Blob(["other"]).stream(), "x.dat"), "Busy");
    // With this answer it is known that the server has also heard the end of the other body.
    await client.stat();
    assertEquals(checkLater(served, AFTER_STALL_MS - 2_000), []);
    assertEquals(checkLater(served, AFTER_STALL_MS), [STALLED]);
    const { outcome, fields } = await peer.answer();
    assertEquals([outcome, fields.message], ["disconnect Timeout", STALLED]);
    peer[Symbol.dispose]();
    const [close] = await served.events.until("close");
    assertEquals([close?.session, close?.reason], [1, STALLED]);
    await client.put(new Blob(["other"]).stream(), "x.dat");
    await assertFile(served.join("x.dat"), "other");
  });
}

Deno.test("checkDeadlines() ends a client that stops in the middle of a frame", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  await peer.sendBytes(Uint8Array.of(0, 0, 0, 0, 0));
  await using client = await served.connect();
  await client.mkdir("the bytes have arrived before this");
  assertEquals(checkLater(served, AFTER_STALL_MS), [STALLED]);
  const { outcome, fields } = await peer.answer();
  assertEquals([outcome, fields.message], ["disconnect Timeout", STALLED]);
  await client.mkdir("an idle one stays");
});

Deno.test("checkDeadlines() ends a client that stops in a body that nobody wants", async () => {
  await using served = await Served.with({ "d/x": "" });
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "d", size: 6 });
  await peer.send("data", bytes(3));
  assertEquals((await peer.answer()).outcome, "IsADirectory");
  assertEquals(checkLater(served, AFTER_STALL_MS), [STALLED]);
  assertEquals((await peer.answer()).fields.message, STALLED);
});

Deno.test("checkDeadlines() gives a client the idle time to compare what was kept", async () => {
  await using served = await Served.with();
  const request = { path: "x.dat", size: 6 };
  const leave = async (peer: RawPeer) => {
    const cancelled = { code: "Cancelled", message: "" };
    await peer.sendAll(["request", { command: "put", ...request }], ["data", bytes(3)], ["error", cancelled]);
    assertEquals((await peer.answer()).outcome, "Cancelled");
    const { fields } = await peer.ask({ command: "offer", ...request });
    return fields as { covered: number; kept: string };
  };
  using peer = await RawPeer.greeted(served.address);
  const { covered: offset, kept } = await leave(peer);
  assertEquals(offset, 3);
  assertEquals(checkLater(served, AFTER_STALL_MS), []);
  await peer.sendAll(["request", { command: "put", ...request, offset, kept }], ["data", bytes(3)], ["end", {
    size: 3,
  }]);
  assertEquals((await peer.answer()).outcome, "ok");
  await leave(peer);
  assertEquals(checkLater(served, AFTER_IDLE_MS), [IDLE]);
  assertEquals((await peer.answer()).fields.message, IDLE);
});

Deno.test("checkDeadlines() lets a shared upload wait while its client shows that it is there", async () => {
  await using served = await Served.with({}, { limits: { stallMs: 3_000 } });
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "x.dat", size: 6, shared: true });
  const { upload } = (await peer.receive())?.value as { upload: string };
  using other = await RawPeer.greeted(served.address);
  const began = performance.now();
  for (let second = 2; second <= 8; second += 2) {
    // As if two seconds had passed since the last sign.
    await peer.send("alive");
    await other.ask({ command: "stat" });
    assertEquals(checkLater(served, 2_000), []);
  }
  assert(performance.now() - began < 3_000);
  await other.sendAll(["request", { command: "part", upload, offset: 0 }], ["data", bytes(6)], ["end", { size: 6 }]);
  assertEquals((await other.answer()).outcome, "ok");
  await peer.send("end", { size: 0 });
  assertEquals((await peer.answer()).outcome, "ok");
  await assertFile(served.join("x.dat"), bytes(6));
});

Deno.test("checkDeadlines() does not end what waits for bandwidth for longer than the stall timeout", async () => {
  // One slice of 512 bytes takes five seconds.
  await using served = await Served.with({ "a.dat": bytes(4096) }, { limits: { connectionBytesPerSecond: 100 } });
  using peer = await RawPeer.connect(served.address);
  await peer.receive();
  await peer.send("hello", { ferry: 1 });
  await within(peer.receive(), "the welcome");
  await peer.send("request", { command: "get", path: "a.dat" });
  await within(peer.receive(), "the metadata", 10_000);
  assertEquals(checkLater(served, DEFAULT_LIMITS.stallMs + 3_000), []);
});

Deno.test("a put that stood still goes on where it was", async () => {
  await using dir = await tempDir();
  const content = bytes(8 * MIB);
  await Deno.writeFile(dir.join("a.dat"), content);
  await using served = await Served.with();
  await using proxy = await FaultProxy.to(served.address, { toServer: { stallAfter: 4 * MIB } });
  const lost: string[] = [];
  await using pool = new ConnectionPool({ ...proxy.address, onLost: ({ message }) => void lost.push(message) });
  const there = { storage: new RemoteStorage(pool), path: at("a.dat"), shown: "a.dat" };
  const putting = copyFile(localSource(dir.join("a.dat")), there, { verb: "put", retry: new Retry() });
  await within(proxy.stalled, "the stall");
  await busyWith(served, "put");
  let ended: string[] = [];
  // What came before the stall may still be on its way into the file.
  await eventually("the end of the session", () => (ended = checkLater(served, AFTER_STALL_MS)).length > 0);
  assertEquals(ended, [STALLED]);
  proxy.release();
  await within(putting, "the end of the put");
  await assertFile(served.join("a.dat"), content);
  assertStringIncludes(lost.join(), STALLED);
});
