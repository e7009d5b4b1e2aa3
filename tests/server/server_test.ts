import type { Entry } from "../../lib/core/metadata.ts";
import { assert, assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { serve } from "../../lib/mod.ts";
import { type CommandName, COMMANDS } from "../../lib/protocol/commands.ts";
import { FrameKind } from "../../lib/protocol/frames.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { concat, frameBytes, header, sameBytes } from "../helpers/frames.ts";
import { FaultProxy } from "../helpers/proxy.ts";
import { bytes, Random } from "../helpers/random.ts";
import { assertFile, failsWith, type Kind, namesIn, RawPeer, Served, within } from "../helpers/raw.ts";

/** More than the system's socket buffers hold, so that a server cannot send it to a client that does not read. */
const HUGE_BYTES = 48 * 1024 * 1024;

/** A request of every command that would succeed, were nothing in its way. A new command needs one. */
const SAMPLES: Record<string, Record<string, unknown>> = {
  dir: { path: "d" },
  stat: { path: "a.txt" },
  get: { path: "a.txt" },
  put: { path: "new.txt" },
  offer: { path: "new.txt", size: 3 },
  sum: { path: "a.txt" },
  blocks: { path: "a.txt", length: 5 },
  part: { upload: "none", offset: 0 },
  mkdir: { path: "new" },
  set: { path: "a.txt", mtimeMs: 0, mode: 0o600 },
  rename: { path: "a.txt", to: "b.txt" },
  remove: { path: "a.txt" },
  df: {},
  say: { text: "hello" },
  close: {},
};

const NAMES = Object.keys(COMMANDS) as CommandName[];

/** Sends a request, with a body if the command has one, and receives its answer. */
async function askWithBody(
  peer: RawPeer,
  command: CommandName,
  fields: Record<string, unknown> = {},
  body = "content",
) {
  await peer.send("request", { command, ...fields });
  if ("body" in COMMANDS[command]) {
    const content = new TextEncoder().encode(body);
    await peer.sendAll(["data", content], ["end", { size: content.length }]);
  }
  return await peer.answer();
}

/** A file of zeros that takes no space. */
async function makeHuge(path: string, size = HUGE_BYTES): Promise<void> {
  await Deno.writeFile(path, new Uint8Array(0));
  await Deno.truncate(path, size);
}

Deno.test("serve() greets, says what it allows, and answers", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  using peer = await RawPeer.connect(served.address);
  assertEquals((await peer.receive())?.value, { ferry: [1] });
  await peer.send("hello", { ferry: 1, extra: "fields are ignored" });
  const welcome = await peer.receive();
  assertEquals([welcome?.kind, welcome?.value], ["ok", {
    allows: ["read", "add", "overwrite", "remove"],
    window: 1024,
  }]);

  const { outcome, data, frames } = await peer.ask({ command: "get", path: "a.txt", extra: true });
  assertEquals([outcome, new TextDecoder().decode(data)], ["ok", "hello"]);
  assertEquals(frames.map(({ kind }) => kind), ["ready", "data", "end"]);
});

Deno.test("serve() says to a client of another version that it is not supported", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.connect(served.address);
  await peer.receive();
  await peer.send("hello", { ferry: 2 });
  assertEquals((await peer.answer()).outcome, "disconnect Unsupported");
  assertEquals(await peer.ended(), "closed");
});

Deno.test("serve() serves many sessions side by side", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  const peers = await Promise.all(Array.from({ length: 60 }, () => RawPeer.greeted(served.address)));
  assertEquals(served.server.sessions.length, 60);
  const answers = await Promise.all(peers.map((peer) => peer.ask({ command: "get", path: "a.txt" })));
  for (const { data } of answers) assertEquals(new TextDecoder().decode(data), "hello");
  for (const peer of peers) peer[Symbol.dispose]();
  const closed = await served.events.until("close", 60);
  assertEquals(new Set(closed.map(({ session }) => session)).size, 60);
  assertEquals(served.server.sessions.length, 0);
});

Deno.test("serve() reports open, command and close", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  using peer = await RawPeer.greeted(served.address);
  await peer.ask({ command: "get", path: "a.txt" });
  await peer.ask({ command: "get", path: "none.txt" });
  await askWithBody(peer, "put", { path: "b.txt" }, "four");
  await peer.ask({ command: "close" });
  peer.conn.close();
  await served.events.until("close");

  const [open] = served.events.of("open");
  assert(open);
  assertEquals(open.peer, `127.0.0.1:${(peer.conn.localAddr as Deno.NetAddr).port}`);
  assertEquals(
    served.events.of("command").map(({ command, path, bytes, outcome }) => [command, path, bytes, outcome]),
    [["get", "a.txt", 5, "ok"], ["get", "none.txt", 0, "NotFound"], ["put", "b.txt", 4, "ok"], [
      "close",
      undefined,
      0,
      "ok",
    ]],
  );
  assertEquals(served.events.all.map(({ event }) => event).at(-1), "close");
  for (const event of served.events.all) assert("session" in event && event.session === open.session);
  assertEquals(served.events.of("close")[0]?.reason, undefined);
});

Deno.test("serve() reports what really happened when an answer is Internal, and the client is not told", async () => {
  const secret = new Error("the disk /dev/sda1 caught fire");
  await using served = await Served.with({}, {}, () => ({ stat: () => Promise.reject(secret) }));
  using peer = await RawPeer.greeted(served.address);
  const { outcome, fields } = await peer.ask({ command: "stat" });
  assertEquals(outcome, "Internal");
  assert(!JSON.stringify(fields).includes("sda1"));
  assert(served.events.of("command")[0]?.detail?.includes("sda1"));
});

Deno.test("say() reaches every client", async () => {
  await using served = await Served.with();
  using first = await RawPeer.greeted(served.address);
  using second = await RawPeer.greeted(served.address);
  await served.server.say("天线 ready?\n");
  for (const peer of [first, second]) {
    const notice = await peer.receive();
    assertEquals([notice?.kind, notice?.value], ["notice", { text: "天线 ready?\n", reason: "message" }]);
  }
});

Deno.test("say() may be called again before the first call is over", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  const lines = Array.from({ length: 40 }, (_, i) => `line ${i} ${"x".repeat(i * 10)}`);
  await within(Promise.all(lines.map((line) => served.server.say(line))), "the end of say()");
  const received = [];
  for (const _ of lines) received.push(((await peer.receive())?.value as { text: string }).text);
  assertEquals(received, lines);
});

Deno.test("say() does not disturb the answers that are sent at the same time", async () => {
  await using served = await Served.with({ "big.bin": bytes(5_000_000) }, {
    onEvent: (event) => {
      if (event.event === "command" || event.event === "say") void served.server.say(`heard of ${event.event}`);
    },
  });
  using peer = await RawPeer.greeted(served.address);
  const big = Deno.readFileSync(served.join("big.bin"));
  for (let i = 0; i < 5; i++) {
    await peer.sendAll(
      ["request", { command: "get", path: "big.bin" }],
      ["request", { command: "say", text: "hi" }],
      ["request", { command: "stat" }],
      ["request", { command: "say", text: "hi again" }],
    );
    const get = await peer.answer();
    assert(get.outcome === "ok" && sameBytes(get.data, big));
    for (let j = 0; j < 3; j++) assertEquals((await peer.answer()).outcome, "ok");
  }
});

Deno.test("serve() reports what a client says", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  assertEquals((await peer.ask({ command: "say", text: "hello, operator" })).outcome, "ok");
  assertEquals((await peer.ask({ command: "say", text: "x".repeat(4097) })).outcome, "TooLarge");
  assertEquals(served.events.of("say").map(({ text }) => text), ["hello, operator"]);
});

Deno.test("serve() with readOnly refuses every command that writes, and no other", async () => {
  await using served = await Served.with({ "a.txt": "hello", "d/b.txt": "b" }, { readOnly: true });
  using peer = await RawPeer.greeted(served.address);
  for (const name of NAMES.filter((name) => name !== "close")) {
    const { outcome } = await askWithBody(peer, name, SAMPLES[name]);
    assertEquals(outcome, ["add", "overwrite", "remove"].includes(COMMANDS[name].needs ?? "") ? "Refused" : "ok", name);
  }
  assertEquals(await namesIn(served.join()), ["a.txt", "d"]);
  assertEquals((await peer.ask({ command: "close" })).outcome, "ok");
});

Deno.test("serve() answers every command of the table", async () => {
  for (const name of NAMES) {
    await using served = await Served.with({ "a.txt": "hello", "d/b.txt": "b" });
    using peer = await RawPeer.greeted(served.address);
    const wanted = name === "part" ? "NotFound" : "ok";
    assertEquals((await askWithBody(peer, name, SAMPLES[name])).outcome, wanted, name);
  }
});

Deno.test("serve() answers pipelined requests in their order, a whole window of them", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  using peer = await RawPeer.greeted(served.address);
  const requests = Array.from({ length: 1024 }, (_, i): [Record<string, unknown>, string] => {
    if (i % 3 === 0) return [{ command: "stat", path: "a.txt" }, "ok"];
    if (i % 3 === 1) return [{ command: "stat", path: `none-${i}` }, "NotFound"];
    return [{ command: "mkdir", path: "../x" }, "InvalidPath"];
  });
  const sending = peer.sendAll(...requests.map(([request]): [Kind, unknown] => ["request", request]));
  for (const [request, wanted] of requests) {
    const { outcome, fields } = await peer.answer();
    assertEquals(outcome, wanted);
    if (outcome !== "ok") assertEquals(fields.path, request.path);
  }
  await sending;
});

Deno.test("serve() takes everything that was sent in one write, bodies too", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  const names = Array.from({ length: 20 }, (_, i) => `f${i}`);
  await peer.sendAll(...names.flatMap((path, i): [Kind, unknown][] => [
    ["request", { command: "put", path, size: i }],
    ["data", bytes(i, i)],
    ["end", { size: i }],
    ["request", { command: "get", path }],
  ]));
  for (const i of names.keys()) {
    const put = await peer.answer();
    assertEquals([put.outcome, put.fields.size], ["ok", i]);
    assert(sameBytes((await peer.answer()).data, bytes(i, i)));
  }
});

Deno.test("serve() goes on after a put that it refuses, and ignores the body", async (t) => {
  for (
    const [what, fields, code, readOnly] of [
      ["bad path", { path: "../x" }, "InvalidPath", false],
      ["missing directory", { path: "none/x" }, "NotFound", false],
      ["directory", { path: "d" }, "IsADirectory", false],
      ["existing file", { path: "a.txt", overwrite: false }, "AlreadyExists", false],
      ["read-only", { path: "x" }, "Refused", true],
      ["wrong field", { path: "x", size: -1 }, "BadRequest", false],
      ["more than announced", { path: "x", size: 10 }, "BadRequest", false],
      ["less than announced", { path: "x", size: 10_000_000 }, "BadRequest", false],
    ] as const
  ) {
    await t.step(what, async () => {
      await using served = await Served.with({ "a.txt": "old", "d/b.txt": "b" }, { readOnly });
      using peer = await RawPeer.greeted(served.address);
      const piece = bytes(100_000);
      await peer.sendAll(
        ["request", { command: "put", ...fields }],
        ...Array.from({ length: 20 }, (): [Kind, unknown] => ["data", piece]),
        ["end", { size: 20 * piece.length }],
        ["request", { command: "stat", path: "a.txt" }],
      );
      assertEquals((await peer.answer()).outcome, code);
      assertEquals((await peer.answer()).fields.size, 3);
      assertEquals(await namesIn(served.join()), ["a.txt", "d"]);
      await assertFile(served.join("a.txt"), "old");
    });
  }
});

Deno.test("serve() answers a put at once when it refuses, and needs no body then", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  assertEquals((await peer.ask({ command: "put", path: "../x" })).outcome, "InvalidPath");
  await peer.send("error", { code: "Cancelled", message: "then not" });
  assertEquals((await peer.ask({ command: "stat" })).outcome, "ok");
});

Deno.test("serve() gives a put up when the client says that its source failed", async () => {
  await using served = await Served.with({ "a.txt": "old" });
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(
    ["request", { command: "put", path: "a.txt" }],
    ["data", bytes(1000)],
    ["error", { code: "Changed", message: "it changed" }],
    ["request", { command: "stat", path: "a.txt" }],
  );
  assertEquals((await peer.answer()).outcome, "Cancelled");
  assertEquals((await peer.answer()).fields.size, 3);
  assertEquals(await namesIn(served.join()), ["a.txt"]);
});

Deno.test("serve() refuses a body whose end does not have its size", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  for (const size of [0, 9, 11]) {
    await peer.sendAll(["request", { command: "put", path: "x" }], ["data", bytes(10)], ["end", { size }]);
    assertEquals((await peer.answer()).outcome, "Corrupt");
  }
  assertEquals(await namesIn(served.join()), []);
});

Deno.test("serve() answers an unknown command with Unsupported and goes on, with a body after it or without", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  using peer = await RawPeer.greeted(served.address);
  for (const command of ["teleport", "GET", "constructor", "__proto__", ""]) {
    assertEquals((await peer.ask({ command })).outcome, "Unsupported");
    assertEquals((await peer.ask({ command: "stat", path: "a.txt" })).outcome, "ok");
    await peer.sendAll(
      ["request", { command, path: "a.txt" }],
      ["data", bytes(1000)],
      ["data", bytes(1000)],
      ["end", { size: 2000 }],
      ["request", { command: "stat", path: "a.txt" }],
    );
    assertEquals((await peer.answer()).outcome, "Unsupported");
    assertEquals((await peer.answer()).outcome, "ok");
  }
});

Deno.test("serve() answers a request that it cannot decode with BadRequest and goes on", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  using peer = await RawPeer.greeted(served.address);
  const encoder = new TextEncoder();
  const broken = [
    ...["", "{", "null", "[]", "7", '"get"', "{}", '{"command":null}', '{"command":["get"]}', '{"command":"get"}']
      .map((text) => encoder.encode(text)),
    ...['{"command":"get","path":7}', '{"command":"get","path":"a.txt","offset":-1}', '{"command":"say"}']
      .map((text) => encoder.encode(text)),
    ...['{"command":"get","path":"a.txt","offset":1e300}', '{"command":"dir","recursive":"yes"}']
      .map((text) => encoder.encode(text)),
    Uint8Array.of(0xff, 0xfe),
    concat(encoder.encode('{"command":"get","path":"'), Uint8Array.of(0xed, 0xa0, 0x80), encoder.encode('"}')),
  ];
  for (const payload of broken) {
    await peer.send("request", payload);
    const { outcome } = await peer.answer();
    assertEquals(outcome, "BadRequest", new TextDecoder().decode(payload));
  }
  assertEquals((await peer.ask({ command: "stat", path: "a.txt" })).outcome, "ok");
});

Deno.test("cancel gives up the request that it names, under way or waiting, and no other", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  await makeHuge(served.join("huge"));
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(
    ["request", { command: "get", path: "huge" }],
    ["request", { command: "stat", path: "a.txt" }],
    ["request", { command: "put", path: "new" }],
    ["cancel", { request: 3 }],
    ["cancel", { request: 1 }],
    ["data", bytes(5)],
    ["end", { size: 5 }],
    ["request", { command: "put", path: "other" }],
    ["data", bytes(5)],
    ["end", { size: 5 }],
    ["request", { command: "get", path: "a.txt" }],
  );
  const get = await peer.answer();
  assertEquals(get.outcome, "Cancelled");
  assertLess(get.data.length, HUGE_BYTES);
  for (const outcome of ["ok", "Cancelled", "ok"]) assertEquals((await peer.answer()).outcome, outcome);
  assertEquals(new TextDecoder().decode((await peer.answer()).data), "hello");
  assertEquals(await namesIn(served.join()), ["a.txt", "huge", "other"]);
});

Deno.test("cancel during a dir ends the listing", async () => {
  async function* list(): AsyncGenerator<Entry> {
    for (let i = 0;; i++) yield { path: `file-${i}`, kind: "file", size: i, mtimeMs: 0 };
  }
  await using served = await Served.with({}, {}, () => ({ list }));
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "dir" });
  assertEquals((await peer.receive())?.kind, "entries");
  await peer.sendAll(["cancel", { request: 1 }], ["request", { command: "stat" }]);
  assertEquals((await peer.answer()).outcome, "Cancelled");
  assertEquals((await peer.answer()).outcome, "ok");
});

Deno.test("cancel during a put leaves the old file, and the next put works", async () => {
  await using served = await Served.with({ "a.txt": "old" });
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "a.txt", shared: true });
  assertEquals((await peer.receive())?.kind, "ready");
  await peer.sendAll(["data", bytes(100_000)], ["cancel", { request: 1 }]);
  // It is answered at once; the rest of the body must come all the same.
  assertEquals((await peer.answer()).outcome, "Cancelled");
  await peer.sendAll(["data", bytes(100_000)], ["end", { size: 200_000 }]);
  assertEquals(await namesIn(served.join()), ["a.txt"]);
  await assertFile(served.join("a.txt"), "old");
  assertEquals((await askWithBody(peer, "put", { path: "a.txt" }, "new")).outcome, "ok");
  await assertFile(served.join("a.txt"), "new");
});

Deno.test("cancel during a sum ends the reading", async () => {
  await using served = await Served.with();
  await makeHuge(served.join("huge"), 4 * 1024 ** 3);
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(["request", { command: "sum", path: "huge" }], ["request", { command: "stat" }]);
  await peer.sendAll(["cancel", { request: 1 }], ["request", { command: "stat" }]);
  const outcomes = [];
  for (let i = 0; i < 3; i++) outcomes.push((await peer.answer()).outcome);
  assertEquals(outcomes, ["Cancelled", "ok", "ok"]);
});

Deno.test("cancel of what was answered, or of what could not be understood, changes nothing", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  assertEquals((await peer.ask({ command: "stat" })).outcome, "ok");
  assertEquals((await peer.ask({ command: "fly" })).outcome, "Unsupported");
  const again = { request: 1 };
  await peer.sendAll(["cancel", again], ["cancel", again], ["cancel", { request: 2 }], ["request", {
    command: "stat",
  }]);
  assertEquals((await peer.answer()).outcome, "ok");
});

Deno.test("close is answered, then the server closes in order, whatever the client still sends", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  const padding = "x".repeat(60_000);
  const more = Array.from({ length: 300 }, (): [Kind, unknown] => ["request", { command: "stat", padding }]);
  const sending = peer.sendAll(["request", { command: "stat" }], ["request", { command: "close" }], ...more);
  assertEquals((await peer.answer()).outcome, "ok");
  assertEquals((await peer.answer()).fields, {});
  assertEquals(await peer.receive(), undefined);
  await within(sending, "the end of sending");
  peer.conn.close();
  const [close] = await served.events.until("close");
  assertEquals(close?.reason, undefined);
});

Deno.test("serve() can be started again at once on the same port", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  using peer = await RawPeer.greeted(served.address);
  await served.server.shutdown(0);
  await using again = serve({ root: served.join(), port: served.address.port });
  assertEquals(again.address.port, served.address.port);
  using other = await RawPeer.greeted(again.address);
  assertEquals((await other.ask({ command: "stat", path: "a.txt" })).fields.size, 5);
  peer.conn.close();
});

Deno.test("serve() fails when the port is in use or the directory is not there", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  const start = async (root: string, port: number) => void await serve({ root, port }).shutdown(0);
  const inUse = await failsWith(start(served.join(), served.address.port), "Unreachable");
  assert(inUse.message.includes(String(served.address.port)));
  await failsWith(start(served.join("none"), 0), "NotFound");
  await failsWith(start(served.join("a.txt"), 0), "NotADirectory");
});

Deno.test("shutdown() lets a get finish, tells the client, and refuses what comes later", async () => {
  await using served = await Served.with();
  await makeHuge(served.join("huge"));
  using busy = await RawPeer.greeted(served.address);
  using idle = await RawPeer.greeted(served.address);
  await busy.send("request", { command: "get", path: "huge" });
  assertEquals((await busy.receive())?.kind, "ready");

  const stopped = served.server.shutdown();
  const notice = await idle.receive();
  assertEquals([notice?.kind, (notice?.value as { reason: string }).reason], ["notice", "shutdown"]);
  assertEquals(await idle.receive(), undefined);
  idle.conn.close();
  await busy.send("request", { command: "stat" });
  const get = await busy.answer();
  assertEquals([get.outcome, get.data.length], ["ok", HUGE_BYTES]);
  assertEquals((await busy.answer()).outcome, "ShuttingDown");
  assertEquals(await busy.receive(), undefined);
  busy.conn.close();
  await within(stopped, "the end of shutdown()");
  await failsWith(served.connect(), "Unreachable");
  assertEquals(served.events.of("warning"), []);
});

Deno.test("shutdown() lets a put finish", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "a.bin", size: 200_000, shared: true });
  await peer.receive();
  const stopped = served.server.shutdown();
  assertEquals((await peer.receive())?.kind, "notice");
  await peer.sendAll(["data", bytes(100_000, 1)], ["data", bytes(100_000, 2)], ["end", { size: 200_000 }]);
  assertEquals((await peer.answer()).outcome, "ok");
  assertEquals(await peer.receive(), undefined);
  peer.conn.close();
  await within(stopped, "the end of shutdown()");
  await assertFile(served.join("a.bin"), concat(bytes(100_000, 1), bytes(100_000, 2)));
});

Deno.test("shutdown() ends a transfer that stands still when the time is over, and leaves nothing of it", async () => {
  await using served = await Served.with();
  using silent = await RawPeer.connect(served.address);
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "a.bin", shared: true });
  await peer.receive();
  await peer.send("data", bytes(1000));
  await within(served.server.shutdown(50), "the end of shutdown()");
  assertEquals(await namesIn(served.join()), []);
  assertEquals(served.events.of("close").length, 2);
  await peer.ended();
  await silent.ended();
});

Deno.test("[Symbol.asyncDispose]() ends everything at once, also during a shutdown that waits", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  await peer.send("request", { command: "put", path: "a.bin", shared: true });
  await peer.receive();
  const stopped = served.server.shutdown(60_000);
  try {
    await within(served.server[Symbol.asyncDispose](), "the end of the server", 1_000);
  } finally {
    peer.conn.close();
    await stopped;
  }
});

Deno.test("serve() survives peers that connect and reset before they are accepted", async () => {
  await using served = await Served.with();
  // Another process, waited for without letting the server run: all peers are gone before it can accept the first.
  const script = `
    import { connect } from "node:net";
    const gone = Array.from({ length: 20 }, () => new Promise((resolve) => {
      const socket = connect(${served.address.port}, "127.0.0.1", () => socket.resetAndDestroy());
      socket.on("close", resolve);
    }));
    await Promise.all(gone);
    console.log("reset");
  `;
  const { stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    cwd: served.outer.path,
    env: { NO_COLOR: "1" },
  }).outputSync();
  assertEquals(new TextDecoder().decode(stdout).trim(), "reset", new TextDecoder().decode(stderr));
  using peer = await RawPeer.greeted(served.address);
  assertEquals((await peer.ask({ command: "stat" })).outcome, "ok");
});

/** Sends bytes and gives the codes with which the server ends the connection. */
async function errorsFor(served: Served, input: Uint8Array, greeted: boolean): Promise<string[]> {
  using peer = await (greeted ? RawPeer.greeted(served.address) : RawPeer.connect(served.address));
  await peer.sendBytes(input);
  await peer.conn.closeWrite();
  const codes = [];
  for (let frame = await peer.receive(); frame; frame = await peer.receive()) {
    if (frame.kind === "disconnect") codes.push((frame.value as { code: string }).code);
  }
  return codes;
}

Deno.test("serve() answers what is not the protocol with an error and closes", async (t) => {
  await using served = await Served.with({ "a.txt": "hello" });
  const damaged = frameBytes(FrameKind.request, '{"command":"stat"}');
  damaged[12] = (damaged[12] ?? 0) ^ 1;
  const text = (text: string) => new TextEncoder().encode(text);
  for (
    const [what, input, greeted, code] of [
      ["HTTP", text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), false, "BadRequest"],
      ["zeros", new Uint8Array(100), false, "BadRequest"],
      ["a request before hello", frameBytes(FrameKind.request, '{"command":"stat"}'), false, "BadRequest"],
      ["a hello that is no JSON", frameBytes(FrameKind.hello, "hello"), false, "BadRequest"],
      ["a hello without version", frameBytes(FrameKind.hello, "{}"), false, "BadRequest"],
      ["a second hello", frameBytes(FrameKind.hello, '{"ferry":1}'), true, "BadRequest"],
      ["a wrong CRC", damaged, true, "Corrupt"],
      ["an unknown kind", frameBytes(13), true, "BadRequest"],
      ["data that nobody asked for", frameBytes(FrameKind.data, "hello"), true, "BadRequest"],
      ["an end that nobody asked for", frameBytes(FrameKind.end, '{"size":0}'), true, "BadRequest"],
      ["an ok", frameBytes(FrameKind.ok, "{}"), true, "BadRequest"],
      ["a notice", frameBytes(FrameKind.notice, '{"text":"x","reason":"message"}'), true, "BadRequest"],
      ["half a frame", frameBytes(FrameKind.request, '{"command":"stat"}').subarray(0, 15), true, undefined],
      ["half a header", Uint8Array.of(1, 2, 3), true, undefined],
      [
        "a request inside a body",
        concat(
          frameBytes(FrameKind.request, '{"command":"put","path":"x"}'),
          frameBytes(FrameKind.request, '{"command":"stat"}'),
        ),
        true,
        "BadRequest",
      ],
      [
        "a broken end",
        concat(frameBytes(FrameKind.request, '{"command":"put","path":"x"}'), frameBytes(FrameKind.end, "{")),
        true,
        "BadRequest",
      ],
    ] as const
  ) {
    await t.step(what, async () => {
      assertEquals(await errorsFor(served, input, greeted), code === undefined ? [] : [code]);
      using peer = await RawPeer.greeted(served.address);
      assertEquals((await peer.ask({ command: "stat", path: "a.txt" })).outcome, "ok");
      assertEquals(await namesIn(served.join()), ["a.txt"]);
    });
  }
});

Deno.test("serve() says why it gives up only after the answer that is under way", async () => {
  // This answer is ready as soon as the session is given up.
  const digest: Storage["digest"] = async (_path, { signal } = {}) => {
    assert(signal);
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => aborted.resolve());
    await aborted.promise;
    return { sha256: "", size: 0, version: "" };
  };
  await using served = await Served.with({}, {}, () => ({ digest }));
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(["request", { command: "sum", path: "a.txt" }], ["request", { command: "stat" }], ["notice"]);
  assertEquals((await peer.answer()).outcome, "ok");
  assertEquals((await peer.answer()).outcome, "disconnect BadRequest");
  assertEquals(await peer.ended(), "closed");
});

Deno.test("serve() refuses a frame that is too large as soon as its header is there, without memory for it", async () => {
  await using served = await Served.with();
  const before = Deno.memoryUsage().external;
  for (const kind of Object.values(FrameKind)) {
    const limit = kind === FrameKind.data ? 1024 * 1024 : 64 * 1024;
    for (const length of [limit + 1, 2 ** 31, 2 ** 32 - 1]) {
      using peer = await RawPeer.greeted(served.address);
      // The other direction stays open: the answer must not depend on more input or on its end.
      await peer.sendBytes(header(kind, length));
      assertEquals((await peer.answer()).outcome, "disconnect BadRequest");
    }
  }
  assertLess(Deno.memoryUsage().external - before, 2 ** 30);
});

Deno.test("serve() survives random bytes and damaged conversations", async () => {
  await using served = await Served.with({ "a.txt": "hello" });
  const random = new Random(4711);
  const good = concat(
    frameBytes(FrameKind.hello, '{"ferry":1}'),
    frameBytes(FrameKind.request, '{"command":"get","path":"a.txt"}'),
    frameBytes(FrameKind.request, '{"command":"put","path":"new.txt","size":300}'),
    frameBytes(FrameKind.data, bytes(300)),
    frameBytes(FrameKind.end, '{"size":300}'),
    frameBytes(FrameKind.request, '{"command":"dir"}'),
  );
  for (let i = 0; i < 150; i++) {
    const input = i % 2 === 0 ? random.bytes(random.below(3000)) : random.damage(good);
    await errorsFor(served, input, false);
  }
  await served.events.until("close", 150);
  using peer = await RawPeer.greeted(served.address);
  assertEquals((await peer.ask({ command: "stat", path: "a.txt" })).fields.size, 5);
  await assertFile(served.join("a.txt"), "hello");
  const names = await namesIn(served.join());
  assertEquals(names.filter((name) => name !== "a.txt" && name !== "new.txt"), []);
  if (names.includes("new.txt")) await assertFile(served.join("new.txt"), bytes(300));
});

for (const way of ["in order", "with a reset"] as const) {
  for (const name of ["old.bin", "new.bin"]) {
    Deno.test(`serve() leaves no trace of a put of ${name} whose client disappears ${way}`, async () => {
      await using served = await Served.with({ "old.bin": "old" });
      const by = way === "in order" ? "end" : "reset";
      await using proxy = await FaultProxy.to(served.address, { toServer: { cut: { after: 500_000, by } } });
      using peer = await RawPeer.greeted(proxy.address);
      await peer.send("request", { command: "put", path: name, shared: true });
      assertEquals((await peer.receive())?.kind, "ready");
      await peer.sendAll(...Array.from({ length: 6 }, (_, i): [Kind, unknown] => ["data", bytes(100_000, i)]));
      const [close] = await served.events.until("close");
      assertNotEquals(close?.reason, undefined);
      assertEquals(await namesIn(served.join()), ["old.bin"]);
      await assertFile(served.join("old.bin"), "old");

      using next = await RawPeer.greeted(served.address);
      assertEquals((await askWithBody(next, "put", { path: name }, "new")).outcome, "ok");
      await assertFile(served.join(name), "new");
    });
  }
}

Deno.test("serve() lets only one client at a time write a name", async () => {
  await using served = await Served.with();
  using first = await RawPeer.greeted(served.address);
  using second = await RawPeer.greeted(served.address);
  await first.send("request", { command: "put", path: "a", shared: true });
  assertEquals((await first.receive())?.kind, "ready");
  assertEquals((await askWithBody(second, "put", { path: "a" }, "second")).outcome, "Busy");
  await first.sendAll(["data", new TextEncoder().encode("first")], ["end", { size: 5 }]);
  assertEquals((await first.answer()).outcome, "ok");
  await assertFile(served.join("a"), "first");
});

/** Names that no command may take. */
const BAD_NAMES = [
  "..",
  ".",
  "",
  "../beside.txt",
  "d/../../beside.txt",
  "/etc/passwd",
  "d//b.txt",
  "d/",
  "./a.txt",
  "a.txt\0",
  ".ferry-x",
  "d/.FERRY-x.part",
  "x".repeat(256),
  "d/".repeat(2048) + "x",
];

Deno.test("serve() refuses names that try to leave the directory, for every command, and goes on", async (t) => {
  await using served = await Served.with({ "a.txt": "hello", "d/b.txt": "b" });
  await Deno.writeTextFile(served.outer.join("beside.txt"), "secret");
  using peer = await RawPeer.greeted(served.address);
  for (const name of NAMES) {
    for (const field of ["path", "to"].filter((field) => field in COMMANDS[name].fields)) {
      await t.step(`${name} ${field}`, async () => {
        for (const bad of BAD_NAMES) {
          const { outcome } = await askWithBody(peer, name, { ...SAMPLES[name], [field]: bad });
          assertEquals(outcome, "InvalidPath", `${name} of ${Deno.inspect(bad)}`);
        }
        assertEquals((await peer.ask({ command: "stat", path: "a.txt" })).outcome, "ok");
      });
    }
  }
  assertEquals(await namesIn(served.outer.path), ["beside.txt", "root"]);
  assertEquals(await namesIn(served.join()), ["a.txt", "d"]);
});

Deno.test({
  name: "serve() follows no link out of the directory, for any command, and goes on",
  ignore: Deno.build.os === "windows",
  async fn(t) {
    await using served = await Served.with({ "a.txt": "hello" });
    await Deno.mkdir(served.outer.join("outside"));
    await Deno.writeTextFile(served.outer.join("outside", "beside.txt"), "secret");
    const links: Record<string, string> = {
      way: "../outside",
      file: "../outside/beside.txt",
      dangling: "../outside/new.txt",
    };
    for (const [link, to] of Object.entries(links)) await Deno.symlink(to, served.join(link));
    using peer = await RawPeer.greeted(served.address);
    for (const name of NAMES) {
      for (const field of ["path", "to"].filter((field) => field in COMMANDS[name].fields)) {
        await t.step(`${name} ${field}`, async () => {
          for (const link of ["way", "way/beside.txt", "way/new.txt", "file", "dangling"]) {
            const { outcome } = await askWithBody(peer, name, { ...SAMPLES[name], [field]: link });
            const outcomes = name === "remove" && !link.includes("/")
              ? ["ok"]
              : ["NotFound", "NotADirectory", "AlreadyExists"];
            assert(outcomes.includes(outcome), `${name} of ${link}: ${outcome}`);
            // A link itself may be removed.
            if (outcome === "ok") await Deno.symlink(links[link] ?? "", served.join(link));
          }
          assertEquals((await peer.ask({ command: "stat", path: "a.txt" })).outcome, "ok");
        });
      }
    }
    assertEquals(await namesIn(served.outer.join("outside")), ["beside.txt"]);
    await assertFile(served.outer.join("outside", "beside.txt"), "secret");
  },
});

Deno.test("checkDeadlines() ends a session that stands still in the middle of something, and no idle one", async () => {
  await using served = await Served.with();
  await makeHuge(served.join("huge"));
  using silent = await RawPeer.connect(served.address);
  using idle = await RawPeer.greeted(served.address);
  using putting = await RawPeer.greeted(served.address);
  await putting.send("request", { command: "put", path: "x", shared: true });
  assertEquals((await putting.receive())?.kind, "ready");
  using halfway = await RawPeer.greeted(served.address);
  await halfway.ask({ command: "stat" });
  await halfway.sendBytes(header(FrameKind.request, 100));
  using deaf = await RawPeer.greeted(served.address);
  await deaf.send("request", { command: "get", path: "huge" });
  assertEquals((await deaf.receive())?.kind, "ready");
  // An answer on a later connection shows that the server has seen what was sent before.
  using witness = await RawPeer.greeted(served.address);
  await witness.ask({ command: "stat" });

  const later = (ms: number) => served.server.sessions.forEach((each) => each.checkDeadlines(performance.now() + ms));
  later(9_000);
  assertEquals(served.events.of("close").length, 0);
  later(11_000);
  assertEquals((await served.events.until("close")).length, 1);
  assertEquals(await silent.ended(), "closed");
  later(350_000);
  assertEquals(served.events.of("close").length, 1);
  later(361_000);
  assertEquals((await served.events.until("close", 4)).length, 4);
  await deaf.ended();
  assertEquals((await idle.ask({ command: "stat" })).outcome, "ok");
  assertEquals(await namesIn(served.join()), ["huge"]);
});

Deno.test("checkDeadlines() does not blame the client for a storage that takes its time", async () => {
  const slow = Promise.withResolvers<{ sha256: string; size: number; version: string }>();
  await using served = await Served.with({}, {}, () => ({ digest: () => slow.promise }));
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(
    ["request", { command: "sum", path: "x" }],
    ["request", { command: "put", path: "x" }],
    ["data", bytes(10)],
    ["end", { size: 10 }],
  );
  using witness = await RawPeer.greeted(served.address);
  await witness.ask({ command: "stat" });
  for (const session of served.server.sessions) session.checkDeadlines(performance.now() + 61_000);
  slow.resolve({ sha256: "", size: 0, version: "" });
  assertEquals((await peer.answer()).outcome, "ok");
  assertEquals((await peer.answer()).outcome, "ok");
});
