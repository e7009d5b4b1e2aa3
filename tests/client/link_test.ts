import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { Link } from "../../lib/client/link.ts";
import { type Client, type ErrorCode, FerryError, serve } from "../../lib/mod.ts";
import { RandomCuts } from "../helpers/cuts.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes, Random } from "../helpers/random.ts";
import { assertFile, failsWith, FakeServer, Served, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { RIGHTS } from "../../lib/protocol/commands.ts";

function failure(code: ErrorCode): FerryError {
  return new FerryError(code, "made by the test");
}

/** An operation that fails with these codes in turn, then succeeds. */
function failing(...codes: ErrorCode[]): { attempts: number; run: (client: Client) => Promise<string> } {
  const operation = {
    attempts: 0,
    run: async (client: Client) => {
      const code = codes[operation.attempts++];
      if (code) throw failure(code);
      assertEquals((await client.stat()).kind, "directory");
      return "done";
    },
  };
  return operation;
}

/** An address where nobody listens any more. */
async function deserted(): Promise<{ hostname: string; port: number }> {
  await using served = await Served.with();
  return served.address;
}

Deno.test("Link.run() connects when it is needed first, and keeps the connection", async () => {
  await using served = await Served.with();
  await using link = new Link(served.address);
  assert(!link.connected);
  const clients = [await link.run((client) => Promise.resolve(client)), await link.client()];
  assert(link.connected && clients[0] === clients[1]);
  assertEquals(await Promise.all([1, 2, 3].map((n) => link.run(async () => n))), [1, 2, 3]);
  await link.close();
  assert(!link.connected);
  assertEquals((await served.events.until("close")).length, 1);
  assertEquals(served.events.of("open").length, 1);
});

Deno.test("Link.client() connects once for all who ask at the same time", async () => {
  await using served = await Served.with();
  await using link = new Link(served.address);
  const clients = await Promise.all([link.client(), link.client(), link.run((client) => Promise.resolve(client))]);
  assertEquals(new Set(clients).size, 1);
  assertEquals(served.events.of("open").length, 1);
});

Deno.test("Link.run() comes back after cuts and goes on until it is done", async () => {
  const content = bytes(6_000_000, 1);
  await using served = await Served.with({ "f": content });
  await using local = await tempDir();
  await using proxy = await FaultProxy.to(
    served.address,
    new RandomCuts(new Random(1), 6, [["toClient", 1_200_000, 2_000_000]]),
  );
  const lost: string[] = [];
  await using link = new Link({ ...proxy.address, retries: 2, onLost: (reason) => lost.push(reason.code) });
  let attempts = 0;
  await within(
    link.run((client, progressed) => {
      attempts++;
      return client.get("f", local.join("f"), { onProgress: progressed });
    }),
    "the file",
    10_000,
  );
  await assertFile(local.join("f"), content);
  assertGreater(attempts, 2);
  assertEquals(new Set(lost), new Set(["Disconnected"]));
  assertEquals(lost.length, attempts - 1);
});

Deno.test("Link.run() tries again after every kind of loss", async () => {
  await using served = await Served.with();
  for (const code of ["Disconnected", "Corrupt", "ShuttingDown", "Timeout"] as const) {
    await using link = new Link(served.address);
    const operation = failing(code);
    assertEquals(await link.run(operation.run), "done");
    assertEquals(operation.attempts, 2, code);
  }
});

Deno.test("Link.run() does not try again what the server has refused", async () => {
  await using served = await Served.with();
  await using link = new Link(served.address);
  for (const code of ["NotFound", "Refused", "Busy", "Changed", "NoSpace", "BadRequest"] as const) {
    const operation = failing(code);
    await failsWith(link.run(operation.run), code);
    assertEquals(operation.attempts, 1, code);
  }
  assertEquals(served.events.of("open").length, 1);
});

Deno.test("Link.run() gives up after so many losses without progress", async () => {
  await using served = await Served.with();
  for (const retries of [0, 2]) {
    await using link = new Link({ ...served.address, retries });
    const always = failing(...Array<ErrorCode>(20).fill("Disconnected"));
    await failsWith(link.run(always.run), "Disconnected");
    assertEquals(always.attempts, 1 + retries);
  }
  await using link = new Link(served.address);
  const always = failing(...Array<ErrorCode>(20).fill("Disconnected"));
  await failsWith(link.run(always.run, { retries: 1 }), "Disconnected");
  assertEquals(always.attempts, 2, "retries of the one operation");
});

Deno.test("Link.run() begins to count again when there was progress", async () => {
  await using served = await Served.with();
  await using link = new Link({ ...served.address, retries: 1 });
  let attempts = 0;
  const result = await link.run((_client, progressed) => {
    if (++attempts < 6) progressed();
    return attempts < 6 ? Promise.reject(failure("Disconnected")) : Promise.resolve("done");
  });
  assertEquals([result, attempts], ["done", 6]);
  const stuck = failing(...Array<ErrorCode>(20).fill("Disconnected"));
  await failsWith(link.run(stuck.run), "Disconnected");
  assertEquals(stuck.attempts, 2, "a success counts as progress, too");
});

Deno.test("Link.run() that gave up leaves the next operation its retries", async () => {
  await using served = await Served.with();
  await using link = new Link({ ...served.address, retries: 1 });
  await failsWith(link.run(failing("Disconnected", "Disconnected", "Disconnected").run), "Disconnected");
  const next = failing("Disconnected");
  assertEquals(await link.run(next.run), "done");
  assertEquals(next.attempts, 2);
});

Deno.test("Link.run() does not try again when the first connection fails", async () => {
  const address = await deserted();
  await using link = new Link(address);
  const operation = failing();
  const began = performance.now();
  await failsWith(link.run(operation.run), "Unreachable");
  assertEquals(operation.attempts, 0);
  // The first pause would be 100 ms at least.
  assertLess(performance.now() - began, 95);
});

Deno.test("Link.run() waits for a server that comes back after a while", async () => {
  await using dir = await tempDir();
  const first = serve({ root: dir.path, port: 0 });
  const { address } = first;
  const back = Promise.withResolvers<AsyncDisposable>();
  await using link = new Link(address);
  let attempts = 0;
  const result = await link.run(async (client) => {
    if (++attempts === 1) {
      await first[Symbol.asyncDispose]();
      // After the first new attempt has failed.
      setTimeout(() => back.resolve(serve({ root: dir.path, ...address })), 250);
    }
    return (await client.stat()).kind;
  });
  await using _second = await back.promise;
  assertEquals([result, attempts], ["directory", 2]);
});

Deno.test("Link.run() waits, too, when it begins while the connection is being made again", async () => {
  await using dir = await tempDir();
  const first = serve({ root: dir.path, port: 0 });
  const { address } = first;
  const back = Promise.withResolvers<AsyncDisposable>();
  const lost = Promise.withResolvers<FerryError>();
  await using link = new Link({ ...address, onLost: lost.resolve });
  let attempts = 0;
  const early = link.run(async (client) => {
    if (++attempts > 1) return (await client.stat()).kind;
    await first[Symbol.asyncDispose]();
    setTimeout(() => back.resolve(serve({ root: dir.path, ...address })), 150);
    return (await client.stat()).kind;
  });
  await lost.promise;
  const late = link.run(async (client) => (await client.stat()).kind);
  const results = await within(Promise.allSettled([early, late]), "both");
  await using _second = await back.promise;
  assertEquals(results.map((result) => result.status === "fulfilled" ? result.value : result.reason.code), [
    "directory",
    "directory",
  ]);
});

Deno.test("Link.run() tries a busy file again after a loss, and not for ever", async () => {
  await using served = await Served.with();
  await using link = new Link({ ...served.address, retries: 2 });
  const twice = failing("Disconnected", "Busy", "Busy");
  assertEquals(await link.run(twice.run), "done");
  assertEquals(twice.attempts, 4);
  const always = failing("Disconnected", ...Array<ErrorCode>(20).fill("Busy"));
  await failsWith(link.run(always.run), "Busy");
  assertEquals(always.attempts, 4);
});

Deno.test("Link.run() stops at once when it is cancelled in a pause", async () => {
  await using served = await Served.with();
  await using link = new Link(served.address);
  const stop = new AbortController();
  let attempts = 0;
  const running = link.run(() => {
    if (++attempts === 3) setTimeout(() => stop.abort(), 1);
    return Promise.reject(failure("Disconnected"));
  }, stop);
  await failsWith(running, "Cancelled");
  assertEquals(attempts, 3);
});

Deno.test("Link.run() stops at once when it is cancelled while it connects", async () => {
  await using silent = new FakeServer((peer) => peer.receive());
  await using link = new Link(silent.address);
  const stop = new AbortController();
  const running = link.run(failing().run, stop);
  setTimeout(() => stop.abort(), 1);
  await failsWith(running, "Cancelled");
});

Deno.test("Link.close() gives up a connection that is being made", async () => {
  const [connected, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using server = new FakeServer(async (peer) => {
    connected.resolve();
    while (await peer.receive());
    ended.resolve();
  });
  await using link = new Link(server.address);
  const waiting = link.client(AbortSignal.timeout(50));
  await within(connected.promise, "the connection");
  await failsWith(waiting, "Cancelled");
  await within(link.close(), "the end of close", 1000);
  await within(ended.promise, "the end of the connection", 1000);
  assert(!link.connected);
});

Deno.test("Link.run() that is cancelled does not stop the others on the same connection", async (t) => {
  const states = (results: PromiseSettledResult<unknown>[]) =>
    results.map((result) => result.status === "fulfilled" ? result.value : result.reason.code);
  await t.step("while it connects", async () => {
    const go = Promise.withResolvers<void>();
    await using slow = new FakeServer(async (peer) => {
      await go.promise;
      await peer.sendAll(["hello", { ferry: [1] }], ["ok", { allows: [...RIGHTS], window: 4 }]);
      await peer.receive();
      await peer.receive();
    });
    await using link = new Link(slow.address);
    const stop = new AbortController();
    const both = Promise.allSettled([link.run(async () => 1, stop), link.run(async () => 2)]);
    stop.abort();
    go.resolve();
    assertEquals(states(await within(both, "both")), ["Cancelled", 2]);
  });
  await t.step("in a pause", async () => {
    await using served = await Served.with();
    await using link = new Link(served.address);
    const stop = new AbortController();
    let attempts = 0;
    const cancelled = link.run(() => {
      setTimeout(() => stop.abort(), 1);
      return Promise.reject(failure("Disconnected"));
    }, stop);
    const other = link.run(() => ++attempts === 1 ? Promise.reject(failure("Disconnected")) : Promise.resolve(2));
    assertEquals(states(await within(Promise.allSettled([cancelled, other]), "both")), ["Cancelled", 2]);
  });
});

Deno.test("Link.run() heeds its own signal when another waits for the connection, too", async () => {
  await using silent = new FakeServer((peer) => peer.receive());
  await using link = new Link(silent.address);
  const [first, second] = [new AbortController(), new AbortController()];
  const waiting = failsWith(link.run(failing().run, first), "Cancelled");
  const stopped = link.run(failing().run, second).then(() => "done", ({ code }) => code);
  second.abort();
  try {
    assertEquals(await within(stopped, "the end of the one that was cancelled", 1000), "Cancelled");
  } finally {
    first.abort();
    await waiting;
  }
});

Deno.test("Link.run() lets operations go on in the order that they had", async () => {
  await using served = await Served.with();
  await using link = new Link({ ...served.address, retries: 9 });
  await link.client();
  const orders: number[][] = [[], [], []];
  const names = Array.from({ length: 20 }, (_, i) => i);
  await within(Promise.all(names.map((name) => {
    let attempt = 0;
    return link.run(async (client) => {
      orders[attempt++]?.push(name);
      if (attempt === 3) return;
      // All of them are lost together.
      if (name === names.length - 1) { for (const session of served.server.sessions) session.close("cut by the test"); }
      await client.say("hello");
      throw new Error("the cut came too late");
    });
  })));
  assertEquals(orders, [names, names, names]);
});

Deno.test("Link.run() makes one new connection for all that were lost together", async () => {
  await using served = await Served.with();
  const lost: string[] = [];
  await using link = new Link({ ...served.address, retries: 1, onLost: ({ code }) => lost.push(code) });
  await link.client();
  const last = 49;
  const attempts = await Promise.all(Array.from({ length: last + 1 }, async (_, i) => {
    let attempts = 0;
    await link.run(async (client) => {
      if (++attempts === 2) return;
      if (i === last) { for (const session of served.server.sessions) session.close("cut by the test"); }
      await client.ended;
      throw failure("Disconnected");
    });
    return attempts;
  }));
  assertEquals(new Set(attempts), new Set([2]));
  assertEquals(served.events.of("open").length, 2);
  assertEquals(lost, ["Disconnected"]);
});

Deno.test("Link tells of a loss while nothing is under way, and connects again for the next", async () => {
  await using served = await Served.with();
  const lost = Promise.withResolvers<FerryError>();
  await using link = new Link({ ...served.address, onLost: lost.resolve });
  await link.client();
  for (const session of served.server.sessions) session.close("cut by the test");
  assertEquals((await within(lost.promise)).code, "Disconnected");
  assert(!link.connected);
  assertEquals(await link.run(failing().run), "done");
});
