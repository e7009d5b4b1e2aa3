import process from "node:process";
import { assertEquals, assertGreater, assertLess } from "@std/assert";
import type { Client, ServeOptions } from "../../lib/mod.ts";
import { Connection } from "../../lib/transport/connection.ts";
import { createIdentity } from "../../lib/auth/certificate.ts";
import { keyHashOf } from "../../lib/transport/tls.ts";
import { RateLimit } from "../../lib/transport/rate_limit.ts";
import { Secret } from "../../lib/auth/secret.ts";
import type { Limits } from "../../lib/access/limits.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, Collector, failsWith, RawPeer, Served, within } from "../helpers/raw.ts";
import { assertSameTree, makeTree, transferTree } from "../helpers/trees.ts";
import { tempDir } from "../helpers/temp.ts";
import { checkLater } from "../helpers/deadlines.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** How far a rate may be from its limit: what buffers and the first moments make of a transfer of a second. */
const TOLERANCE = 0.15;

/** A machine that is busy with other things may make a transfer slower, but never faster. */
const BUSY = 0.5;

// Real transfers

const IDENTITY = await createIdentity();
const SECRET = Secret.create();

/** How to serve, and how to connect. */
const LINKS = {
  TCP: [{}, {}],
  TLS: [{ identity: IDENTITY, secret: SECRET }, { keyHash: keyHashOf(IDENTITY.certificate), secret: SECRET }],
} as const satisfies Record<string, [Partial<ServeOptions>, object]>;

async function download(client: Client, name: string, size: number): Promise<void> {
  const collector = new Collector();
  await within(client.get(name, collector), "the download", 20_000);
  assertEquals(collector.bytes.length, size);
}

const upload = (client: Client, name: string, size: number) =>
  within(client.put(new Blob([bytes(size)]).stream(), name), "the upload", 20_000);

/** Fails unless moving `size` bytes took as long as it has to at `rate` bytes per second. */
async function assertRate(rate: number, size: number, move: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await move();
  const measured = size / (performance.now() - began) * 1000;
  assertLess(measured, rate * (1 + TOLERANCE), `${measured / KIB} KiB/s`);
  assertGreater(measured, rate * BUSY, `${measured / KIB} KiB/s`);
}

for (const [kind, [options, link]] of Object.entries(LINKS)) {
  for (const rate of [200 * KIB, 20 * MIB]) {
    Deno.test(`serve() limits each connection to ${rate / KIB} KiB/s over ${kind}, in both directions`, async () => {
      const limits: Partial<Limits> = { connectionBytesPerSecond: rate };
      await using served = await Served.with({ "a.dat": new Uint8Array(rate) }, { ...options, limits });
      await using first = await served.connect(link);
      await using second = await served.connect(link);
      // Two at the same time, each at the full rate.
      await assertRate(2 * rate, 2 * rate, () => Promise.all([first, second].map((c) => download(c, "a.dat", rate))));
      await assertRate(rate, rate, () => upload(first, "b.dat", rate));
    });
  }

  Deno.test(`serve() limits all connections over ${kind} together, both directions counted`, async () => {
    const rate = 4 * MIB;
    const limits: Partial<Limits> = { bytesPerSecond: rate };
    await using served = await Served.with({ "a.dat": new Uint8Array(MIB) }, { ...options, limits });
    const clients = await Promise.all(Array.from({ length: 5 }, () => served.connect(link)));
    const work = clients.map((client, i) => i < 3 ? download(client, "a.dat", MIB) : upload(client, `${i}`, MIB));
    await assertRate(rate, 5 * MIB, () => Promise.all(work));
    await Promise.all(clients.map((client) => client.close()));
  });

  Deno.test(`connect() with a limit keeps to it over ${kind}, all connections together`, async () => {
    const rate = new RateLimit(2 * MIB);
    await using served = await Served.with({ "a.dat": new Uint8Array(MIB / 2) }, options);
    const clients = await Promise.all(Array.from({ length: 4 }, () => served.connect({ ...link, rate })));
    const work = clients.map((c, i) => i < 2 ? download(c, "a.dat", MIB / 2) : upload(c, `${i}`, MIB / 2));
    await assertRate(2 * MIB, 2 * MIB, () => Promise.all(work));
    await Promise.all(clients.map((client) => client.close()));
  });
}

Deno.test("serve() keeps to the stricter of the limit of all and of each", async () => {
  const limits: Partial<Limits> = { bytesPerSecond: 600 * KIB, connectionBytesPerSecond: 300 * KIB };
  await using served = await Served.with({ "a.dat": new Uint8Array(300 * KIB) }, { limits });
  await using first = await served.connect();
  await assertRate(300 * KIB, 300 * KIB, () => download(first, "a.dat", 300 * KIB));
  await using second = await served.connect();
  await using third = await served.connect();
  const all = [first, second, third].map((client) => download(client, "a.dat", 300 * KIB));
  await assertRate(600 * KIB, 900 * KIB, () => Promise.all(all));
});

Deno.test("transfers of trees over four connections keep to the client's limit", async () => {
  await using dir = await tempDir();
  const size = 64 * KIB;
  makeTree(dir.path, Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`d/f${i}`, bytes(size, i)])));
  await using served = await Served.with();
  const rate = MIB;
  const options = { connections: 4, pool: { rate: new RateLimit(rate) } };
  const put = async () => {
    const { failures } = await transferTree({ direction: "put", address: served.address, local: dir.path }, options);
    assertEquals(failures, []);
  };
  await assertRate(rate, 16 * size, put);
  assertSameTree(served.join(), dir.path);
});

Deno.test("serve() answers small requests soon while another connection uses all of the bandwidth", async () => {
  const limits: Partial<Limits> = { bytesPerSecond: 200 * KIB };
  await using served = await Served.with({ "a.dat": new Uint8Array(10 * MIB) }, { limits });
  await using busy = await served.connect();
  await using client = await served.connect();
  const stop = new AbortController();
  const moved = Promise.withResolvers<void>();
  const options = { signal: stop.signal, onProgress: () => moved.resolve() };
  const ending = busy.get("a.dat", new Collector(), options).then(() => "done", ({ code }) => code);
  await within(moved.promise, "the first bytes");
  const began = performance.now();
  for (let i = 0; i < 5; i++) await client.stat("a.dat");
  // Each waits for a piece of a twentieth of a second that is under way, when it comes and when it is answered.
  const elapsed = performance.now() - began;
  assertGreater(elapsed, 50);
  assertLess(elapsed, 1500);
  stop.abort();
  // The server hears of it as soon as the bandwidth allows.
  assertEquals(await ending, "Cancelled");
});

Deno.test("close() ends a connection at once that waits for bandwidth, in both directions", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  using peer = await RawPeer.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const connection = new Connection(await accepting, [new RateLimit(1)]);
  await connection.sendData(1000, () => 1000);
  await peer.sendBytes(bytes(1000));
  const both = Promise.allSettled([connection.flush(), connection.receive()]);
  await peer.conn.read(new Uint8Array(1));
  connection.close();
  const [flushed, received] = await within(both, "the end of both");
  assertEquals([flushed.status, received.status], ["rejected", "rejected"]);
});

for (const graceMs of [0, 50]) {
  Deno.test(`shutdown() with ${graceMs} ms ends sessions that wait for bandwidth`, async () => {
    const limits: Partial<Limits> = { connectionBytesPerSecond: 100 * KIB };
    await using served = await Served.with({ "a.dat": new Uint8Array(10 * MIB) }, { limits });
    await using client = await served.connect();
    const moved = Promise.withResolvers<void>();
    const onProgress = () => moved.resolve();
    const getting = failsWith(client.get("a.dat", new Collector(), { onProgress }), "Disconnected", "ShuttingDown");
    await within(moved.promise, "the first bytes");
    const began = performance.now();
    await within(served.server.shutdown(graceMs), "the end of the server");
    assertLess(performance.now() - began, 2_000);
    await getting;
    assertEquals(served.server.sessions, []);
  });
}

Deno.test("shutdown() lets a slow transfer finish within the time it gives", async () => {
  const limits: Partial<Limits> = { connectionBytesPerSecond: 200 * KIB };
  await using served = await Served.with({ "a.dat": new Uint8Array(100 * KIB) }, { limits });
  await using client = await served.connect();
  const collector = new Collector();
  const moving = Promise.withResolvers<void>();
  const getting = client.get("a.dat", collector, { onProgress: () => moving.resolve() });
  await within(moving.promise, "the first bytes");
  await within(served.server.shutdown(10_000), "the end of the server");
  await getting;
  assertEquals(collector.bytes.length, 100 * KIB);
});

Deno.test("a limit of 1,000 bytes a second lets clients in and small files through", async () => {
  const limits: Partial<Limits> = { bytesPerSecond: 1000 };
  await using served = await Served.with({ "a.txt": "abc" }, { limits });
  await using client = await served.connect();
  assertEquals((await client.stat("a.txt")).size, 3);
  await client.put(new Blob(["new"]).stream(), "b.txt");
  await assertFile(served.join("b.txt"), "new");
});

Deno.test("a limit that is larger than any bandwidth changes nothing", async () => {
  const limits: Partial<Limits> = { bytesPerSecond: Number.MAX_SAFE_INTEGER };
  await using served = await Served.with({ "a.dat": bytes(8 * MIB) }, { limits });
  await using client = await served.connect({ rate: new RateLimit(Number.MAX_SAFE_INTEGER) });
  const began = performance.now();
  await download(client, "a.dat", 8 * MIB);
  await upload(client, "b.dat", 8 * MIB);
  assertLess(performance.now() - began, 3_000);
});

Deno.test("waiting for bandwidth takes next to no processor time", async () => {
  const limits: Partial<Limits> = { bytesPerSecond: 20 * KIB };
  await using served = await Served.with({ "a.dat": bytes(20 * KIB) }, { limits });
  await using client = await served.connect();
  const before = process.cpuUsage();
  await download(client, "a.dat", 20 * KIB);
  const { user, system } = process.cpuUsage(before);
  // Of a second, in microseconds. A busy loop would take all of it.
  assertLess(user + system, 500_000);
});

/** A limit so short that a second of a real transfer is longer, in ms. */
const SHORT: Partial<Limits> = { stallMs: 300 };

for (const [way, rate] of [["by the server", 100 * 1024], ["by the client", 400 * 1024]] as const) {
  Deno.test(`a transfer that is slowed down ${way} for longer than all timeouts comes to its end`, async () => {
    const content = bytes(1.2 * rate);
    // The server is done with a file that the system has taken, which a slow client has still to read.
    const limits = way === "by the server" ? { ...SHORT, idleMs: 300, connectionBytesPerSecond: rate } : SHORT;
    await using served = await Served.with({ "a.dat": content }, { limits });
    await using client = await served.connect(way === "by the client" ? { rate: new RateLimit(rate) } : {});
    const ended: string[] = [];
    const check = setInterval(() => ended.push(...checkLater(served, 0)), 10);
    try {
      const collector = new Collector();
      await within(client.get("a.dat", collector), "the get");
      assertEquals(collector.bytes.length, content.length);
      await within(client.put(new Blob([content]).stream(), "b.dat"), "the put");
      await assertFile(served.join("b.dat"), content);
    } finally {
      clearInterval(check);
    }
    assertEquals(ended, []);
  });
}
