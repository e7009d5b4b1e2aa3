import { assert, assertEquals, assertLess } from "@std/assert";
import { temporaryName } from "../../lib/storage/directory/temporary_file.ts";
import { ROOT } from "../../lib/core/remote_path.ts";
import { bytes } from "../helpers/random.ts";
import { assertFile, RawPeer, Served } from "../helpers/raw.ts";
import { serveTemp } from "../helpers/served.ts";
import { at, contentOf, store } from "../helpers/storage.ts";
import { tempDir } from "../helpers/temp.ts";

const HOUR_MS = 3600 * 1000;
const YEAR_MS = 365 * 24 * HOUR_MS;

/** Sets the system's clock forward or back, as programs see it, until it is disposed of. */
function clockSet(byMs: number): Disposable {
  const real = Date.now;
  Date.now = () => real() + byMs;
  return { [Symbol.dispose]: () => void (Date.now = real) };
}

for (const byMs of [HOUR_MS, -HOUR_MS, 50 * YEAR_MS, -50 * YEAR_MS]) {
  const what = `${byMs > 0 ? "+" : ""}${byMs / HOUR_MS} hours`;

  Deno.test(`serve() ends no session when the clock jumps by ${what}, and transfers go on`, async () => {
    await using served = await Served.with({ f: bytes(2_000_000) });
    await using local = await tempDir();
    await using client = await served.connect();
    using silent = await RawPeer.connect(served.address);
    using putting = await RawPeer.greeted(served.address);
    await putting.send("request", { command: "put", path: "slow", shared: true });
    assertEquals((await putting.receive())?.kind, "ready");
    await served.events.until("open", 3);
    using _clock = clockSet(byMs);
    for (const session of served.server.sessions) session.checkDeadlines(performance.now());
    assertEquals(served.events.of("close"), []);
    await client.get("f", local.join("f"));
    await client.put(local.join("f"), "g");
    await assertFile(served.join("g"), bytes(2_000_000));
    await putting.sendAll(["data", bytes(10)], ["end", { size: 10 }]);
    assertEquals((await putting.answer()).outcome, "ok");
    assertEquals((await silent.receive())?.kind, "hello");
    for (const { durationMs } of served.events.of("command")) assert(durationMs >= 0 && durationMs < 60_000);
    // What is too late is still ended, whatever the clock says.
    for (const session of served.server.sessions) session.checkDeadlines(performance.now() + 11_000);
    await served.events.until("close");
  });

  Deno.test(`DirectoryStorage gives no mixture of a file that changes after the clock has jumped by ${what}`, async () => {
    await using served = await serveTemp();
    await store(served.storage, "f", "first");
    using _clock = clockSet(byMs);
    assertEquals(new TextDecoder().decode(await contentOf(served.storage, "f")), "first");
    const before = await served.storage.stat(at("f"));
    await store(served.storage, "f", "other");
    assert((await served.storage.stat(at("f"))).version !== before.version);
    assertEquals(new TextDecoder().decode(await contentOf(served.storage, "f")), "other");
  });
}

Deno.test("DirectoryStorage.sweep() removes what is a week away from the clock, and never what is written", async () => {
  await using served = await serveTemp();
  const upload = await served.storage.upload(at("written"));
  await upload.write(bytes(100));
  const kept = served.inside(temporaryName("kept"));
  const exists = () => Deno.lstat(kept).then(() => true, () => false);
  // The time of the last change is now, in the future, long ago; the clock jumps.
  for (
    const [mtimeMs, jumpMs, stays] of [
      [Date.now(), 0, true],
      [Date.now(), -50 * YEAR_MS, false],
      [Date.now() + 50 * YEAR_MS, 0, false],
      [Date.now() + 50 * YEAR_MS, 60 * YEAR_MS, false],
      [Date.now(), HOUR_MS, true],
      [Date.now(), -HOUR_MS, true],
      [Date.now() + HOUR_MS, 0, true],
      [Date.now(), 8 * 24 * HOUR_MS, false],
      [-50 * YEAR_MS, 0, false],
    ] as const
  ) {
    await Deno.writeTextFile(kept, "kept");
    await Deno.utime(kept, new Date(mtimeMs), new Date(mtimeMs));
    using _clock = clockSet(jumpMs);
    await served.storage.sweep(ROOT, { recursive: true });
    assertEquals(await exists(), stays, `changed at ${mtimeMs}, the clock jumps by ${jumpMs}`);
  }
  await upload.commit();
  assertEquals((await served.storage.stat(at("written"))).size, 100);
});

/** Times of change that a client may ask for, in ms, and what becomes of the request. */
const TIMES: readonly (readonly [mtimeMs: unknown, outcome: string])[] = [
  [0, "ok"],
  [-1, "ok"],
  [-1_000_000_000_001, "ok"],
  [4_000_000_000_000, "ok"],
  [8.64e15, "ok"],
  [-8.64e15, "ok"],
  [8.64e15 + 1, "BadRequest"],
  [2 ** 53, "BadRequest"],
  [1e300, "BadRequest"],
  [0.5, "BadRequest"],
  [null, "BadRequest"],
  ["0", "BadRequest"],
];

Deno.test("serve() takes every time that a date can hold, and no other", async () => {
  await using served = await Served.with();
  using peer = await RawPeer.greeted(served.address);
  for (const [mtimeMs, outcome] of TIMES) {
    await peer.sendAll(["request", { command: "put", path: "f", mtimeMs }], ["data", bytes(3)], ["end", { size: 3 }]);
    const answer = await peer.answer();
    assertEquals(answer.outcome, outcome, `${mtimeMs}: ${answer.fields.message}`);
    if (outcome !== "ok") continue;
    const stat = (await peer.ask({ command: "stat", path: "f" })).fields as { mtimeMs?: number };
    assert(Number.isSafeInteger(stat.mtimeMs), `${stat.mtimeMs}`);
    // The file system keeps what it can.
    if (Math.abs(Number(mtimeMs)) < 4e12 && Number(mtimeMs) > -2e12) assertEquals(stat.mtimeMs, mtimeMs);
    assertEquals((await peer.ask({ command: "get", path: "f" })).data.length, 3);
    assertEquals((await peer.ask({ command: "dir" })).outcome, "ok");
  }
});

Deno.test("get() of a file that was changed in the future does not wait for it", async () => {
  await using served = await serveTemp();
  await store(served.storage, "f", "content", { mtimeMs: Date.now() + YEAR_MS });
  const began = performance.now();
  await contentOf(served.storage, "f");
  assertLess(performance.now() - began, 5_000);
});
