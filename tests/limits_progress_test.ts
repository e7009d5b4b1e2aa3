import { assertEquals } from "@std/assert";
import { DEFAULT_LIMITS } from "../lib/server/limits.ts";
import { MovedClock } from "./helpers/clock.ts";
import { checkLater } from "./helpers/deadlines.ts";
import { bytes } from "./helpers/random.ts";
import { RawPeer, Served, within } from "./helpers/raw.ts";

/** More than the stall timeout, in ms. */
const LONG_MS = DEFAULT_LIMITS.stallMs + 10_000;

/** How often a client that waits in the middle of a body shows that it is there, in ms. */
const SIGN_INTERVAL_MS = 10_000;

Deno.test("checkDeadlines() does not take the server's own time for the client's while it answers", async () => {
  using clock = new MovedClock();
  const looked: string[] = [];
  await using served = await Served.with({ "a.txt": "abc" }, {
    onEvent: ({ event }) => {
      if (event !== "command") return;
      // The answer is on its way, but the system has not taken it yet.
      looked.push(...checkLater(served, 0), "alive");
    },
  }, (storage) => ({
    digest: (...args) => {
      clock.forward(LONG_MS);
      return storage.digest(...args);
    },
  }));
  await using client = await served.connect();
  assertEquals((await client.sum("a.txt")).size, 3);
  assertEquals(looked, ["alive"]);
  assertEquals((await client.sum("a.txt")).size, 3);
});

Deno.test("checkDeadlines() counts the time for the next bytes from when they are wanted", async () => {
  using clock = new MovedClock();
  const written = Promise.withResolvers<void>();
  await using served = await Served.with({}, {}, (storage) => ({
    upload: async (...args) => {
      clock.forward(LONG_MS);
      const upload = await storage.upload(...args);
      const write = upload.write.bind(upload);
      upload.write = (bytes) => {
        written.resolve();
        return write(bytes);
      };
      return upload;
    },
  }));
  using other = await RawPeer.greeted(served.address);
  using peer = await RawPeer.greeted(served.address);
  await peer.sendAll(["request", { command: "put", path: "x", size: 6 }], ["data", bytes(3)]);
  await within(written.promise, "the first bytes");
  await other.ask({ command: "stat" });
  assertEquals(checkLater(served, 0), []);
  await peer.sendAll(["data", bytes(3)], ["end", { size: 6 }]);
  assertEquals((await peer.answer()).outcome, "ok");
});

/** Signs of life come at once, until the end of the scope. */
function hurriedSigns(): Disposable {
  const original = globalThis.setInterval;
  const hurried = (callback: () => void, ms?: number) => original(callback, ms === SIGN_INTERVAL_MS ? 5 : ms);
  globalThis.setInterval = Object.assign(hurried, original);
  return { [Symbol.dispose]: () => void (globalThis.setInterval = original) };
}

Deno.test("put() of a stream that pauses shows the server that the client is there", async () => {
  using clock = new MovedClock();
  using _signs = hurriedSigns();
  let sign = Promise.withResolvers<void>();
  await using served = await Served.with({}, {}, (storage) => ({
    upload: async (...args) => {
      const upload = await storage.upload(...args);
      const write = upload.write.bind(upload);
      upload.write = (bytes) => {
        if (bytes.length === 0) sign.resolve();
        return write(bytes);
      };
      return upload;
    },
  }));
  await using client = await served.connect();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const input = writable.getWriter();
  const putting = client.put(readable, "x");
  await input.write(bytes(3));
  for (let i = 0; i < 3; i++) {
    clock.forward(DEFAULT_LIMITS.stallMs / 2 + 1_000);
    sign = Promise.withResolvers();
    await within(sign.promise, "a sign of life");
    assertEquals(checkLater(served, 0), []);
  }
  await input.write(bytes(3));
  await input.close();
  assertEquals((await within(putting)).size, 6);
});
