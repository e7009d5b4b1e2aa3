import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../lib/core/remote_path.ts";
import {
  type Client,
  connect,
  ConnectionPool,
  copyContent,
  FerryError,
  localTarget,
  RemoteStorage,
  Retry,
} from "../../lib/mod.ts";
import type { PoolOptions } from "../../lib/client/pool_connections.ts";
import { RIGHTS } from "../../lib/protocol/commands.ts";
import { RandomCuts } from "../helpers/cuts.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes, Random } from "../helpers/random.ts";
import { assertFile, failsWith, FakeServer, Served, within } from "../helpers/raw.ts";
import { at } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

/** What promises came to: the value, or the code of the failure. */
async function outcomes(...promises: Promise<unknown>[]): Promise<unknown[]> {
  const results = await within(Promise.allSettled(promises), "all of them");
  return results.map((result) => result.status === "fulfilled" ? result.value : result.reason.code);
}

Deno.test("ConnectionPool connects when it is needed first, once for all, and keeps the connection", async () => {
  await using served = await Served.with({ "f": "hello" });
  await using pool = new ConnectionPool(served.address);
  const storage = new RemoteStorage(pool);
  assertEquals(pool.first, undefined);
  const sizes = await Promise.all([1, 2, 3].map(async () => (await storage.stat(at("f"))).size));
  const connected = await Promise.all([pool.connect(), pool.connect()]);
  assertEquals([sizes, new Set(connected).size], [[5, 5, 5], 1]);
  assertEquals(pool.welcome.allows, [...RIGHTS]);
  await pool.close();
  assertEquals((await served.events.until("close")).length, 1);
  assertEquals(served.events.of("open").length, 1);
  await failsWith(storage.stat(ROOT), "Disconnected");
});

Deno.test("ConnectionPool spreads what is asked over its connections", async () => {
  await using served = await Served.with({ "f": "hello" });
  await using pool = new ConnectionPool({ ...served.address, connections: 3 });
  const storage = new RemoteStorage(pool);
  await Promise.all(Array.from({ length: 300 }, () => storage.stat(at("f"))));
  assertEquals(served.events.of("open").length, 3);
  const counts = Map.groupBy(served.events.of("command"), ({ session }) => session);
  for (const [session, { length }] of counts) assert(length > 50 && length < 150, `${length} in session ${session}`);
});

/** Something whose first connection answers, while its second one is being opened. */
async function opening<T extends AsyncDisposable & { close(): Promise<void> }>(
  open: (options: PoolOptions) => Promise<[opened: T, storage: RemoteStorage]>,
) {
  await using stack = new AsyncDisposableStack();
  const served = stack.use(await Served.with({ "f": "hello" }));
  // Faults are asked for with each connection.
  let count = 0;
  const proxy = stack.use(
    await FaultProxy.to(served.address, {
      get toClient() {
        return count++ === 0 ? {} : { stallAfter: 0 };
      },
    }),
  );
  const [opened, storage] = await open({ ...proxy.address, connections: 2 });
  stack.use(opened);
  await Promise.all([storage.stat(at("f")), storage.stat(at("f"))]);
  await within(proxy.stalled);
  return { served, proxy, opened, storage, stack: stack.move() };
}

async function openPool(options: PoolOptions): Promise<[ConnectionPool, RemoteStorage]> {
  const pool = new ConnectionPool(options);
  await pool.connect();
  return [pool, new RemoteStorage(pool)];
}

async function openClient(options: PoolOptions): Promise<[Client, RemoteStorage]> {
  const client = await connect(options);
  return [client, client.storage];
}

for (const [what, open] of Object.entries({ ConnectionPool: openPool, Client: openClient })) {
  Deno.test(`${what}.close() ends in order what it has just begun to open`, async () => {
    const { served, proxy, opened, storage, stack } = await opening<ConnectionPool | Client>(open);
    await using _stack = stack;
    const closing = opened.close();
    // Time for the first connection to have been closed.
    await served.events.until("close", 1);
    await failsWith(storage.stat(ROOT), "Disconnected");
    proxy.release();
    await within(closing);
    const closed = await served.events.until("close", 2);
    assertEquals(closed.map(({ reason }) => reason), [undefined, undefined]);
  });

  Deno.test(`${what}.close() does not wait for ever for what it has just begun to open`, async () => {
    const { served, opened, stack } = await opening<ConnectionPool | Client>(open);
    await using _stack = stack;
    await within(opened.close());
    const [first, second] = await served.events.until("close", 2);
    assertEquals([first?.reason, second?.reason], [undefined, "the other end closed the connection"]);
  });
}

Deno.test("ConnectionPool tells of a loss while nothing is under way, and connects again for the next", async () => {
  await using served = await Served.with();
  const lost = Promise.withResolvers<FerryError>();
  await using pool = new ConnectionPool({ ...served.address, onLost: lost.resolve });
  await pool.connect();
  for (const session of served.server.sessions) session.close("cut by the test");
  assertEquals((await within(lost.promise)).code, "Disconnected");
  assertEquals(pool.first, undefined);
  assertEquals((await new RemoteStorage(pool).stat(ROOT)).kind, "directory");
});

Deno.test("ConnectionPool makes one new connection for all that were lost together, and tells of it once", async () => {
  await using served = await Served.with();
  const lost: string[] = [];
  await using pool = new ConnectionPool({ ...served.address, onLost: ({ code }) => lost.push(code) });
  const storage = new RemoteStorage(pool);
  const retry = new Retry({ retryMs: 1_000 });
  await pool.connect();
  const attempts = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    let attempts = 0;
    await retry.run(async () => {
      if (++attempts === 2) return void await storage.stat(ROOT);
      if (i === 49) { for (const session of served.server.sessions) session.close("cut by the test"); }
      await pool.ask({ command: "say", text: "hello" });
      throw new Error("the cut came too late");
    });
    return attempts;
  }));
  assertEquals(new Set(attempts), new Set([2]));
  assertEquals([served.events.of("open").length, lost], [2, ["Disconnected"]]);
});

Deno.test("a copy comes back after cuts and goes on until it is done", async () => {
  const content = bytes(6_000_000, 1);
  await using served = await Served.with({ "f": content });
  await using local = await tempDir();
  await using proxy = await FaultProxy.to(
    served.address,
    new RandomCuts(new Random(1), 6, [["toClient", 1_200_000, 2_000_000]]),
  );
  const lost: string[] = [];
  await using pool = new ConnectionPool({ ...proxy.address, onLost: ({ code }) => lost.push(code) });
  const source = { storage: new RemoteStorage(pool), path: at("f"), shown: "f" };
  const retry = new Retry({ retryMs: 2_000 });
  let attempts = 0;
  const get = retry.run(({ progressed }) => {
    attempts++;
    return copyContent(source, localTarget(local.join("f")), { verb: "get", onProgress: progressed });
  });
  await within(get, "the file", 10_000);
  await assertFile(local.join("f"), content);
  assert(attempts > 2);
  assertEquals([new Set(lost), lost.length], [new Set(["Disconnected"]), attempts - 1]);
});

Deno.test("ConnectionPool.connect() stops at once when it is cancelled, and the others go on", async () => {
  const go = Promise.withResolvers<void>();
  await using slow = new FakeServer(async (peer) => {
    await go.promise;
    await peer.sendAll(["hello", { ferry: [1] }], ["ok", { allows: [...RIGHTS], window: 4 }]);
    await peer.ended();
  });
  await using pool = new ConnectionPool(slow.address);
  const [stop, other] = [new AbortController(), new AbortController()];
  const stat = new RemoteStorage(pool).stat(ROOT, { signal: other.signal });
  const both = outcomes(pool.connect(stop.signal), pool.connect().then(() => 2), stat);
  stop.abort();
  other.abort();
  go.resolve();
  assertEquals(await both, ["Cancelled", 2, "Cancelled"]);
});

Deno.test("ConnectionPool.close() gives up a connection that is being made", async () => {
  const [connected, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using server = new FakeServer(async (peer) => {
    connected.resolve();
    while (await peer.receive());
    ended.resolve();
  });
  await using pool = new ConnectionPool(server.address);
  const waiting = pool.connect(AbortSignal.timeout(50));
  await within(connected.promise, "the connection");
  await failsWith(waiting, "Cancelled");
  await within(pool.close(), "the end of close", 1000);
  await within(ended.promise, "the end of the connection", 1000);
});

Deno.test("ConnectionPool fails what waits for a connection that cannot be made, and tries again for the next", async () => {
  const address = await (async () => {
    await using served = await Served.with();
    return served.address;
  })();
  await using pool = new ConnectionPool(address);
  const storage = new RemoteStorage(pool);
  for (let i = 0; i < 2; i++) {
    const upload = storage.upload(at("f"), { size: 2_000_000 });
    assertEquals(await outcomes(storage.stat(ROOT), storage.stat(at("a")), upload), Array(3).fill("Unreachable"));
  }
});
