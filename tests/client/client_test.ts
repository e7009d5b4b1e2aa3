import { assert, assertEquals, assertGreater, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { walk } from "@std/fs/walk";
import { fromFileUrl, join, relative, SEPARATOR } from "@std/path";
import { type Client, connect, type Entry } from "../../lib/mod.ts";
import { parseRemotePath } from "../../lib/core/remote_path.ts";
import { sameBytes } from "../helpers/frames.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, Collector, failsWith, FakeServer, namesIn, Served, within } from "../helpers/raw.ts";
import { tempDir } from "../helpers/temp.ts";
import { RIGHTS } from "../../lib/protocol/commands.ts";

const FIXTURES = fromFileUrl(new URL("../../fixtures/tree", import.meta.url));

/** More than the system's socket buffers hold, so that a transfer is still under way when a test wants to disturb it. */
const HUGE_BYTES = 48 * 1024 * 1024;

/** Sizes around the borders of frames and buffers. */
const SIZES = [0, 1, 1023, 65_536, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 3_333_333];

async function makeHuge(path: string): Promise<void> {
  await Deno.writeFile(path, new Uint8Array(0));
  await Deno.truncate(path, HUGE_BYTES);
}

/** Fails unless the connection still works: a request gets its own answer. */
async function assertUsable(client: Client): Promise<void> {
  assertEquals((await within(client.stat(), "the answer to stat")).kind, "directory");
}

/** The paths of a local tree's files, `/` separated, relative, sorted. */
async function filesOf(root: string): Promise<string[]> {
  const found = await Array.fromAsync(walk(root, { includeDirs: false }));
  return found.map(({ path }) => relative(root, path).replaceAll(SEPARATOR, "/")).sort();
}

Deno.test("connect() says whom it talks to and what the server allows", async () => {
  await using served = await Served.with({}, { readOnly: true });
  await using client = await served.connect();
  assertEquals(client.peer, `127.0.0.1:${served.address.port}`);
  assertEquals(client.welcome, { allows: ["read"], window: 1024 });
});

Deno.test("connect() fails with Unreachable when nobody listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const error = await failsWith(connect({ hostname: "127.0.0.1", port }), "Unreachable");
  assertStringIncludes(error.message, `127.0.0.1:${port}`);
});

Deno.test("connect() fails with Unreachable at something that is not Ferry", async (t) => {
  for (const [what, text] of [["SMTP", "220 mail ready\r\n"], ["HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n"]] as const) {
    await t.step(what, async () => {
      await using fake = new FakeServer((peer) => peer.sendBytes(new TextEncoder().encode(text)));
      await failsWith(connect(fake.address), "Unreachable");
    });
  }
  await t.step("one that closes at once", async () => {
    await using fake = new FakeServer(() => Promise.resolve());
    await failsWith(connect(fake.address), "Unreachable");
  });
});

Deno.test("connect() gives up at an HTTP server and at a silent peer when its signal says so", async (t) => {
  await t.step("HTTP server", async () => {
    await using http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("hello"));
    const { hostname, port } = http.addr;
    await failsWith(connect({ hostname, port, signal: AbortSignal.timeout(50) }), "Cancelled", "Unreachable");
  });
  await t.step("silent peer", async () => {
    await using fake = new FakeServer((peer) => peer.receive());
    await failsWith(connect({ ...fake.address, signal: AbortSignal.timeout(50) }), "Cancelled");
  });
  await t.step("signal aborted before", async () => {
    await using served = await Served.with();
    await failsWith(served.connect({ signal: AbortSignal.abort() }), "Cancelled");
  });
});

Deno.test("connect() fails with Unsupported when the server speaks other versions only", async () => {
  await using fake = new FakeServer(async (peer) => {
    await peer.send("hello", { ferry: [2, 3] });
  });
  assertStringIncludes((await failsWith(connect(fake.address), "Unsupported")).message, "2, 3");
});

Deno.test("connect() chooses version 1 when the server speaks others too", async () => {
  await using fake = new FakeServer(async (peer) => {
    await peer.send("hello", { ferry: [3, 1, 2] });
    assertEquals((await peer.receive())?.value, { ferry: 1 });
    await peer.send("ok", { allows: [...RIGHTS], window: 16 });
  });
  const client = await connect(fake.address);
  assertEquals((await within(client.ended)).code, "Disconnected");
});

Deno.test("connect() tells why a server sends the client away", async () => {
  await using fake = new FakeServer(async (peer) => {
    await peer.send("hello", { ferry: [1] });
    await peer.receive();
    await peer.send("disconnect", { code: "Busy", message: "too many clients; try again in a minute" });
  });
  const error = await failsWith(connect(fake.address), "Busy", "Unreachable");
  assertStringIncludes(error.message, "too many clients");
});

Deno.test("dir() lists names, kinds, sizes and times, sorted, and trees with recursive", async () => {
  await using served = await Served.with({ "b.txt": "hello", "a/x/deep.txt": "1", "天线.doc": "" });
  await Deno.utime(served.join("b.txt"), new Date(1000), new Date(1_600_000_000_123));
  await using client = await served.connect();
  const flat = await Array.fromAsync(client.dir());
  assertEquals(flat.map(({ path, kind, size }) => [path, kind, size]), [
    ["a", "directory", 0],
    ["b.txt", "file", 5],
    ["天线.doc", "file", 0],
  ]);
  assertEquals(flat[1]?.mtimeMs, 1_600_000_000_123);
  const names = async (entries: AsyncIterable<Entry>) => (await Array.fromAsync(entries)).map(({ path }) => path);
  assertEquals(await names(client.dir(undefined, { recursive: true })), [
    "a",
    "a/x",
    "a/x/deep.txt",
    "b.txt",
    "天线.doc",
  ]);
  assertEquals(await names(client.dir("a")), ["x"]);
  assertEquals(await names(client.dir("a", { recursive: true })), ["x", "x/deep.txt"]);
  assertEquals((await failsWith(Array.fromAsync(client.dir("none")), "NotFound")).path, "none");
  await failsWith(Array.fromAsync(client.dir("b.txt")), "NotADirectory");
  await assertUsable(client);
});

Deno.test("stat(), sum(), mkdir(), rename() and remove() do what they say", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  await using client = await served.connect();
  const { kind, size, version } = await client.stat("a.txt");
  assertEquals([kind, size], ["file", 5]);
  assertEquals(await client.sum("a.txt"), {
    sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    size: 5,
    version,
  });
  await client.mkdir("d");
  await client.mkdir("x/y/z", { parents: true });
  await client.mkdir("x/y/z", { parents: true });
  await failsWith(client.mkdir("d"), "AlreadyExists");
  await failsWith(client.mkdir("n/m"), "NotFound");
  await client.rename("a.txt", "d/b.txt");
  await assertFile(served.join("d", "b.txt"), "hello");
  await failsWith(client.rename("a.txt", "c.txt"), "NotFound");
  await failsWith(client.remove("d"), "NotEmpty");
  await client.remove("d/b.txt");
  await client.remove("d");
  assertEquals(await namesIn(served.join()), ["x"]);
});

Deno.test("a failure says what, where and why, and nothing about the server's disk", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  const error = await failsWith(client.sum("none.txt"), "NotFound");
  assertMatch(error.message, /^Cannot [a-z ]+ "none\.txt": no such file or directory$/);
  assertEquals(error.path, "none.txt");
});

Deno.test("say() is heard by the operator, and notices by the client", async () => {
  await using served = await Served.with();
  const heard = Promise.withResolvers<{ text: string; reason: string }>();
  await using client = await served.connect({ onNotice: heard.resolve });
  await client.say("hello, operator");
  assertEquals(served.events.of("say").map(({ text }) => text), ["hello, operator"]);
  await served.server.say("hello, client");
  assertEquals(await within(heard.promise), { text: "hello, client", reason: "message" });
});

Deno.test("say() of a line that no frame can hold fails, and the next answers belong to their requests", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  await failsWith(client.say("x".repeat(70_000)), "TooLarge");
  await failsWith(client.say("x".repeat(10_000)), "TooLarge");
  await assertUsable(client);
});

Deno.test("close() waits for the answers to earlier commands, and ends the session in order", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  const client = await served.connect();
  const sum = client.sum("a.txt");
  await client.close();
  assertEquals((await sum).size, 5);
  assertEquals((await within(client.ended)).code, "Disconnected");
  await failsWith(client.stat(), "Disconnected");
  const [close] = await served.events.until("close");
  assertEquals(close?.reason, undefined);
});

Deno.test("close() ends within its time when the server says nothing", async () => {
  await using fake = FakeServer.welcoming((peer) => peer.ended());
  const client = await connect(fake.address);
  await failsWith(client.close(), "Disconnected");
});

Deno.test("close() ends within its time when a stream takes nothing more", async () => {
  await using served = await Served.with();
  await makeHuge(served.join("huge"));
  const writing = Promise.withResolvers<void>();
  const never = Promise.withResolvers<void>();
  using _never = { [Symbol.dispose]: never.resolve };
  const client = await served.connect();
  const target = new WritableStream<Uint8Array>({
    write() {
      writing.resolve();
      return never.promise;
    },
  });
  const get = failsWith(client.get("huge", target), "Disconnected");
  await within(writing.promise, "the first write");
  await within(client[Symbol.asyncDispose](), "the end of the client", 4_000);
  await get;
});

Deno.test("get() and put() move files of every size, to and from paths", async () => {
  await using served = await Served.with();
  await using local = await tempDir();
  await using client = await served.connect();
  for (const size of SIZES) {
    const content = bytes(size, size + 1);
    await Deno.writeFile(local.join("source"), content);
    const progress: [number, number | undefined][] = [];
    const receipt = await client.put(local.join("source"), `f${size}`, {
      onProgress: (...step) => progress.push(step),
    });
    assertEquals([receipt.path, receipt.size], [`f${size}`, size]);
    await assertFile(served.join(`f${size}`), content);
    if (size > 0) assertEquals(progress.at(-1), [size, size]);

    progress.length = 0;
    const metadata = await client.get(`f${size}`, local.join("target"), {
      onProgress: (...step) => progress.push(step),
    });
    assertEquals([metadata.kind, metadata.size, metadata.version], ["file", size, receipt.version]);
    await assertFile(local.join("target"), content);
    assertEquals(progress.at(-1), [size, size]);
  }
  assertEquals(await namesIn(local.path), ["source", "target"]);
});

Deno.test("get() and put() move streams of every size", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  for (const size of SIZES) {
    const content = bytes(size, size + 2);
    const receipt = await client.put(new Blob([content]).stream(), `f${size}`, { mtimeMs: 1_500_000_000_000 });
    assertEquals([receipt.size, receipt.mtimeMs], [size, 1_500_000_000_000]);
    await assertFile(served.join(`f${size}`), content);
    const target = new Collector();
    await client.get(`f${size}`, target);
    assert(sameBytes(target.bytes, content));
  }
});

Deno.test("put() of a stream takes chunks of any size", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  const content = bytes(3_000_000);
  const chunks = [0, 1, 0, 5, 2_500_000, content.length].values();
  let at = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { value, done } = chunks.next();
      if (done) return controller.close();
      const end = Math.min(content.length, at + value);
      controller.enqueue(content.subarray(at, end));
      at = end;
    },
  });
  assertEquals((await client.put(source, "f")).size, content.length);
  await assertFile(served.join("f"), content);
});

Deno.test("get() and put() keep every file of the fixtures byte for byte, with its time", async () => {
  await using served = await Served.with();
  await using local = await tempDir();
  await using client = await served.connect();
  const files = await filesOf(FIXTURES);
  assertGreater(files.length, 10);
  for (const [i, file] of files.entries()) {
    const source = join(FIXTURES, file);
    const directory = file.split("/").slice(0, -1).join("/");
    if (directory !== "") {
      await client.mkdir(directory, { parents: true });
      await Deno.mkdir(local.join(directory), { recursive: true });
    }
    const mtimeMs = i % 2 === 0 ? undefined : 1_234_567_890_000 + i;
    const { mtime } = await Deno.stat(source);
    const wanted = mtimeMs ?? mtime?.getTime();
    assertEquals((await client.put(source, file, { mtimeMs })).mtimeMs, wanted);
    assertEquals((await Deno.stat(served.join(file))).mtime?.getTime(), wanted);
    await assertFile(served.join(file), await Deno.readFile(source));
    assertEquals((await client.get(file, local.join(file))).mtimeMs, wanted);
    assertEquals((await Deno.stat(local.join(file))).mtime?.getTime(), wanted);
    await assertFile(local.join(file), await Deno.readFile(source));
  }
  assertEquals(await filesOf(served.join()), files);
  assertEquals(await filesOf(local.path), files);
  const listed = await Array.fromAsync(client.dir(undefined, { recursive: true }));
  assertEquals(listed.filter(({ kind }) => kind === "file").map(({ path }) => path).sort(), files);
});

Deno.test("get() started 200 times at once gets 200 right files", async () => {
  const files = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, bytes(i * 97, i)]));
  await using served = await Served.with(files);
  await using local = await tempDir();
  await using client = await served.connect();
  const got = await Promise.all(Object.keys(files).map((name) => client.get(name, local.join(name))));
  assertEquals(got.map(({ size }) => size), Object.values(files).map(({ length }) => length));
  for (const [name, content] of Object.entries(files)) await assertFile(local.join(name), content);
});

Deno.test("commands of all kinds started at once get their own answers", async () => {
  await using served = await Served.with({ "a.txt": "hello", "d/b.txt": "b" });
  await using client = await served.connect();
  const rounds = Array.from({ length: 30 }, async (_, i) => {
    const target = new Collector();
    const [stat, none, put, get, list] = await Promise.all([
      client.stat("a.txt"),
      failsWith(client.stat(`none-${i}`), "NotFound"),
      client.put(new Blob([bytes(i * 1000, i)]).stream(), `f${i}`),
      client.get("d/b.txt", target),
      Array.fromAsync(client.dir("d")),
    ]);
    assertEquals([stat.size, none.path, put.path, put.size], [5, `none-${i}`, `f${i}`, i * 1000]);
    assertEquals([get.size, target.bytes.length, list.length], [1, 1, 1]);
  });
  await within(Promise.all(rounds));
});

/** A server that lists `count` files, without end for Infinity, each of which has the content `hello`. */
function servedListing(count: number): Promise<Served> {
  async function* list(): AsyncGenerator<Entry> {
    for (let i = 0; i < count; i++) yield { path: `file-${i}`, kind: "file", size: 5, mtimeMs: 0 };
  }
  return Served.with({ "hello.txt": "hello" }, {}, (storage) => ({
    list,
    read: (_, options) => storage.read(parseRemotePath("hello.txt"), options),
  }));
}

Deno.test("dir() with a get() inside the loop does not deadlock", async () => {
  await using served = await servedListing(30_000);
  await using client = await served.connect();
  let count = 0;
  const loop = async () => {
    for await (const { path } of client.dir()) {
      if (count++ % 100 === 0) assertEquals((await client.get(path, new Collector())).size, 5);
    }
  };
  await within(loop(), "the end of the loop", 15_000);
  assertEquals(count, 30_000);
});

Deno.test("dir() whose consumer is slow, or leaves early, does not hold up other commands", async (t) => {
  await t.step("slow", async () => {
    await using served = await servedListing(30_000);
    await using client = await served.connect();
    const slow = client.dir();
    await slow.next();
    await assertUsable(client);
    assertEquals((await Array.fromAsync(slow)).length, 29_999);
  });
  await t.step("leaves a listing without end", async () => {
    await using served = await servedListing(Infinity);
    await using client = await served.connect();
    for await (const { path } of client.dir()) {
      assertEquals(path, "file-0");
      break;
    }
    await assertUsable(client);
  });
});

Deno.test("abort during get(), to a path and to a stream, leaves nothing and the client usable", async (t) => {
  await using served = await Served.with();
  await makeHuge(served.join("huge"));
  await using local = await tempDir();
  await Deno.writeTextFile(local.join("old"), "old");
  await using client = await served.connect();
  for (const name of ["old", "new"]) {
    await t.step(name, async () => {
      const stop = new AbortController();
      const onProgress = (moved: number) => moved > 0 && stop.abort();
      const get = client.get("huge", local.join(name), { signal: stop.signal, onProgress });
      await failsWith(get, "Cancelled");
      assertEquals(await namesIn(local.path), ["old"]);
      await assertFile(local.join("old"), "old");
      await assertUsable(client);
    });
  }
  await t.step("stream", async () => {
    const stop = new AbortController();
    const aborted = Promise.withResolvers<unknown>();
    const target = new WritableStream<Uint8Array>({ write: () => stop.abort(), abort: aborted.resolve });
    await failsWith(client.get("huge", target, { signal: stop.signal }), "Cancelled");
    await within(aborted.promise, "the abort of the stream");
    await assertUsable(client);
  });
  await t.step("only what was aborted", async () => {
    const stop = new AbortController();
    const both = [client.get("huge", new Collector(), { signal: stop.signal }), client.get("huge", new Collector())];
    stop.abort();
    await failsWith(both[0] ?? Promise.resolve(), "Cancelled");
    assertEquals((await both[1])?.size, HUGE_BYTES);
  });
});

Deno.test("abort during get() to a stream that takes nothing more leaves the client usable", async () => {
  await using served = await Served.with();
  await makeHuge(served.join("huge"));
  const never = Promise.withResolvers<void>();
  {
    await using client = await served.connect();
    const stop = new AbortController();
    const target = new WritableStream<Uint8Array>({
      write() {
        stop.abort();
        return never.promise;
      },
    });
    try {
      await failsWith(client.get("huge", target, { signal: stop.signal }), "Cancelled");
      await assertUsable(client);
    } finally {
      never.resolve();
    }
  }
});

Deno.test("abort during put(), from a path and from a stream, leaves nothing and the client usable", async (t) => {
  await using served = await Served.with({ "old": "old" });
  await using local = await tempDir();
  await makeHuge(local.join("huge"));
  await using client = await served.connect();
  for (const name of ["old", "new"]) {
    for (const kind of ["path", "stream"]) {
      await t.step(`${kind} to ${name}`, async () => {
        const stop = new AbortController();
        const onProgress = (moved: number) => moved > 0 && stop.abort();
        const source = kind === "path" ? local.join("huge") : (await Deno.open(local.join("huge"))).readable;
        await failsWith(client.put(source, name, { signal: stop.signal, onProgress }), "Cancelled");
        await assertUsable(client);
        assertEquals(await namesIn(served.join()), ["old"]);
        await assertFile(served.join("old"), "old");
      });
    }
  }
});

/** A stream that gives one chunk and then nothing until the test says so. */
function stalledSource(): { source: ReadableStream<Uint8Array>; began: Promise<void>; finish: () => void } {
  const began = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes(10)),
    async pull(controller) {
      began.resolve();
      await finished.promise;
      controller.close();
    },
    cancel: () => finished.resolve(),
  }, { highWaterMark: 0 });
  return { source, began: began.promise, finish: finished.resolve };
}

Deno.test("abort during put() of a stream that stands still leaves the client usable", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  const { source, began, finish } = stalledSource();
  using _finish = { [Symbol.dispose]: finish };
  const stop = new AbortController();
  const put = client.put(source, "new", { signal: stop.signal });
  await within(began, "the end of the first chunk");
  stop.abort();
  await failsWith(put, "Cancelled");
  await assertUsable(client);
  assertEquals(await namesIn(served.join()), []);
});

Deno.test("abort of a command that waits behind a put() takes effect at once", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  const { source, began, finish } = stalledSource();
  using _finish = { [Symbol.dispose]: finish };
  const put = client.put(source, "new");
  await within(began, "the end of the first chunk");
  const stop = new AbortController();
  const stat = client.stat(undefined, { signal: stop.signal });
  stop.abort();
  await failsWith(stat, "Cancelled");
  finish();
  assertEquals((await put).size, 10);
});

Deno.test("put() of a stream that stands still fails when the server goes away", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  const { source, began, finish } = stalledSource();
  using _finish = { [Symbol.dispose]: finish };
  const put = client.put(source, "new");
  await within(began, "the end of the first chunk");
  const failed = failsWith(put, "Disconnected");
  await served.server.shutdown(0);
  await failed;
});

Deno.test("abort during dir() and sum(), or before, leaves the client usable", async () => {
  await using served = await servedListing(Infinity);
  await makeHuge(served.join("huge"));
  await using client = await served.connect();
  const stop = new AbortController();
  const listing = async () => {
    for await (const _ of client.dir(undefined, { signal: stop.signal })) stop.abort();
  };
  await failsWith(listing(), "Cancelled");
  await assertUsable(client);
  const sum = new AbortController();
  const summing = client.sum("huge", { signal: sum.signal });
  sum.abort();
  await failsWith(summing, "Cancelled");
  await assertUsable(client);
  await failsWith(client.stat(undefined, { signal: AbortSignal.abort() }), "Cancelled");
  await assertUsable(client);
});

Deno.test("put() of a file that always changes while it is read fails with Changed, and the old file stays", async (t) => {
  await using served = await Served.with({ "f": "old" });
  await using local = await tempDir();
  await using client = await served.connect();
  let size = 8_000_000;
  const overwrite = (path: string) => {
    using file = Deno.openSync(path, { write: true });
    file.seekSync(1_000_000, Deno.SeekMode.Start);
    file.writeSync(crypto.getRandomValues(new Uint8Array(10)));
  };
  const change: Record<string, (path: string) => void> = {
    "shrinks": (path) => Deno.truncateSync(path, size -= 1_000_000),
    "is overwritten": overwrite,
    "is overwritten and grows": (path) => {
      overwrite(path);
      Deno.writeFileSync(path, bytes(10), { append: true });
    },
  };
  for (const [what, disturb] of Object.entries(change)) {
    await t.step(what, async () => {
      await Deno.writeFile(local.join("source"), bytes(8_000_000));
      const onProgress = (moved: number) => {
        if (moved > 1_500_000 && moved < 2_800_000) disturb(local.join("source"));
      };
      const error = await failsWith(client.put(local.join("source"), "f", { onProgress, resume: false }), "Changed");
      assertStringIncludes(error.message, local.join("source"));
      await assertUsable(client);
      assertEquals(await namesIn(served.join()), ["f"]);
      await assertFile(served.join("f"), "old");
    });
  }
});

Deno.test("put() of a file that disappears while it is read sends it whole; one that is not there fails", async () => {
  await using served = await Served.with();
  await using local = await tempDir();
  await using client = await served.connect();
  const content = bytes(5_000_000);
  await Deno.writeFile(local.join("source"), content);
  let present = true;
  const onProgress = () => {
    if (present) Deno.removeSync(local.join("source"));
    present = false;
  };
  await client.put(local.join("source"), "f", { onProgress });
  await assertFile(served.join("f"), content);
  const error = await failsWith(client.put(local.join("source"), "f"), "NotFound");
  assertStringIncludes(error.message, local.join("source"));
  await failsWith(client.put(local.path, "f"), "IsADirectory");
  await assertUsable(client);
});

Deno.test("get() of a file that always changes on the server fails with Changed, and the old file stays", async () => {
  await using served = await Served.with();
  await makeHuge(served.join("huge"));
  await using local = await tempDir();
  await Deno.writeTextFile(local.join("f"), "old");
  await using client = await served.connect();
  const onProgress = (moved: number) => {
    if (moved === 0) return;
    using file = Deno.openSync(served.join("huge"), { write: true });
    file.writeSync(crypto.getRandomValues(new Uint8Array(10)));
  };
  await failsWith(client.get("huge", local.join("f"), { onProgress, resume: false }), "Changed");
  await assertFile(local.join("f"), "old");
  assertEquals(await namesIn(local.path), ["f"]);
  await assertUsable(client);
});

Deno.test("get() to a place that cannot be written fails and leaves the client usable", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  await using local = await tempDir();
  await Deno.writeTextFile(local.join("file"), "old");
  await Deno.mkdir(local.join("directory"));
  await using client = await served.connect();
  const missing = await failsWith(client.get("a.txt", local.join("none", "f")), "NotFound");
  assertStringIncludes(missing.message, "none");
  await failsWith(client.get("a.txt", local.join("directory")), "IsADirectory");
  await failsWith(client.get("a.txt", local.join("file", "f")), "NotADirectory");
  await assertUsable(client);
  assertEquals(await namesIn(local.path), ["directory", "file"]);
  await failsWith(client.get("none.txt", local.join("new")), "NotFound");
  assertEquals(await namesIn(local.path), ["directory", "file"]);
});

Deno.test("get() and put() with overwrite false leave what exists alone", async () => {
  await using served = await Served.with({ "f": "on the server" });
  await using local = await tempDir();
  await Deno.writeTextFile(local.join("f"), "here");
  await using client = await served.connect();
  await failsWith(client.get("f", local.join("f"), { overwrite: false }), "AlreadyExists");
  await failsWith(client.put(local.join("f"), "f", { overwrite: false }), "AlreadyExists");
  await assertFile(local.join("f"), "here");
  await assertFile(served.join("f"), "on the server");
  await client.get("f", local.join("new"), { overwrite: false });
  await client.put(local.join("f"), "new", { overwrite: false });
  await assertFile(local.join("new"), "on the server");
  await assertFile(served.join("new"), "here");
});

Deno.test("get() passes the error of its stream on, put() that of its own, and the client stays usable", async () => {
  await using served = await Served.with();
  await makeHuge(served.join("huge"));
  await using client = await served.connect();
  const full = new Error("the tape is full");
  const target = new WritableStream<Uint8Array>({ write: () => Promise.reject(full) });
  assertEquals((await failsWith(client.get("huge", target), "Internal")).cause, full);
  await assertUsable(client);

  const closing = new WritableStream<Uint8Array>({ close: () => Promise.reject(full) });
  await Deno.writeTextFile(served.join("small"), "hello");
  assertEquals((await failsWith(client.get("small", closing), "Internal")).cause, full);
  await assertUsable(client);

  const torn = new Error("the tape is torn");
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes(10)),
    pull: (controller) => controller.error(torn),
  });
  assertEquals((await failsWith(client.put(source, "f"), "Internal")).cause, torn);
  await assertUsable(client);
  assertEquals(await namesIn(served.join()), ["huge", "small"]);
});

Deno.test("get() to a stream that is refused aborts the stream, put() of one cancels it", async () => {
  await using served = await Served.with();
  await using client = await served.connect();
  const aborted = Promise.withResolvers<unknown>();
  await failsWith(client.get("none", new WritableStream({ abort: aborted.resolve })), "NotFound");
  await within(aborted.promise, "the abort of the target");
  const cancelled = Promise.withResolvers<unknown>();
  await failsWith(client.put(new ReadableStream({ cancel: cancelled.resolve }), "none/f"), "NotFound");
  await within(cancelled.promise, "the cancel of the source", 500);
});

Deno.test("commands under way fail with Disconnected when the server goes away, later ones too", async () => {
  await using fake = FakeServer.welcoming(async (peer) => {
    for (let i = 0; i < 4; i++) await peer.receive();
  });
  await using local = await tempDir();
  const client = await connect(fake.address);
  const commands = [
    client.stat("a"),
    client.get("a", local.join("a")),
    Array.fromAsync(client.dir()),
    client.put(new Blob([bytes(10)]).stream(), "x"),
  ];
  for (const command of commands) await failsWith(command, "Disconnected");
  assertEquals((await within(client.ended)).code, "Disconnected");
  await failsWith(client.stat(), "Disconnected");
  await failsWith(client.put(local.path, "x"), "IsADirectory");
  await failsWith(client.close(), "Disconnected");
  await client[Symbol.asyncDispose]();
  assertEquals(await namesIn(local.path), []);
});

Deno.test("a client that is never closed ends when the server shuts down", async () => {
  await using served = await Served.with();
  const heard: string[] = [];
  const client = await served.connect({ onNotice: ({ reason }) => heard.push(reason) });
  const began = performance.now();
  await within(served.server.shutdown(), "the end of shutdown()");
  assertLess(performance.now() - began, 1_500);
  assertEquals((await within(client.ended)).code, "Disconnected");
  assertEquals(heard, ["shutdown"]);
});
